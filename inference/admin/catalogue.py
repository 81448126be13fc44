"""Served models in the admin."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from accounts.admin.acting import actor_of
from inference.models import Deployment, ModelAlias, ModelGrant, ServedModel
from inference.services import check_publishable, delete_model, note_model_change

MODALITIES = [(name, name) for name in ("text", "image", "embedding")]
# Endpoints, and what they can do beside the usual.
CAPABILITIES = [
    (name, name)
    for name in (
        "chat",
        "completions",
        "embeddings",
        "rerank",
        "images",
        "logprobs",
        "tools",
        "reasoning",
        "structured_outputs",
        "image_edits",
    )
]


class ServedModelForm(forms.ModelForm):
    """A model; lists are ticked, and publishing needs a price."""

    input_modalities = forms.MultipleChoiceField(
        choices=MODALITIES, widget=forms.CheckboxSelectMultiple, initial=["text"]
    )
    output_modalities = forms.MultipleChoiceField(
        choices=MODALITIES, widget=forms.CheckboxSelectMultiple, initial=["text"]
    )
    capabilities = forms.MultipleChoiceField(
        choices=CAPABILITIES, widget=forms.CheckboxSelectMultiple, required=False, initial=["chat"]
    )

    class Meta:
        model = ServedModel
        fields: ClassVar[list[str]] = []  # the admin fills them in from its fieldsets

    def clean_embedding_dimensions(self) -> Any:
        """An empty field is an empty list."""
        return self.cleaned_data["embedding_dimensions"] or []

    def clean_image_sizes(self) -> Any:
        """An empty field is an empty object."""
        return self.cleaned_data["image_sizes"] or {}

    def clean(self) -> dict[str, Any]:
        """Nothing is published that cannot be paid or cannot answer."""
        cleaned = super().clean() or self.cleaned_data
        names = ("model_id", "model_class", "published", "assets", "chat_template", "fim_template", "capabilities")
        if all(name in cleaned for name in names):
            try:
                check_publishable(ServedModel(**{name: cleaned[name] for name in names}))
            except ValidationError as error:
                self.add_error(None, error)
        return cleaned


class AliasInline(admin.TabularInline):
    """Other names."""

    model = ModelAlias
    extra = 0


class GrantInline(admin.TabularInline):
    """Organizations that may use a model which is not public."""

    model = ModelGrant
    extra = 0
    autocomplete_fields = ["organization"]
    fields = ["organization"]


class DeploymentInline(admin.TabularInline):
    """Its deployments, to look at; they have a page of their own."""

    model = Deployment
    extra = 0
    fields = ("name", "adapter", "url", "triton_model", "weight", "max_concurrency", "enabled")
    readonly_fields = ("name", "adapter", "url", "triton_model", "weight", "max_concurrency", "enabled")
    show_change_link = True
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """On the deployment's own page, which knows its secret."""
        return False


@admin.register(ServedModel)
class ServedModelAdmin(admin.ModelAdmin):
    """The catalogue."""

    form = ServedModelForm
    list_display = (
        "model_id",
        "model_class",
        "lifecycle",
        "visibility",
        "published",
        "context_length",
        "deployment_count",
    )
    list_filter = ["published", "model_class", "lifecycle", "visibility"]
    search_fields = ["model_id", "description", "hugging_face_repository", "aliases__alias"]
    autocomplete_fields = ["replacement"]
    inlines = [AliasInline, GrantInline, DeploymentInline]
    actions = ["publish", "withdraw"]
    save_on_top = True
    fieldsets = [
        (
            None,
            {"fields": ["model_id", "published", "model_class", "description", "owned_by", "hugging_face_repository"]},
        ),
        ("What it can do", {"fields": ["input_modalities", "output_modalities", "capabilities"]}),
        ("Limits (tokens)", {"fields": ["context_length", "max_output_tokens", "default_output_tokens"]}),
        ("Embeddings", {"fields": ["embedding_dimensions"]}),
        ("Images", {"fields": ["image_sizes"]}),
        ("Life cycle", {"fields": ["lifecycle", "deprecated_on", "retires_on", "replacement"]}),
        ("Who may use it", {"fields": ["visibility"]}),
        (
            "Prompt and output",
            {"fields": ["assets", "chat_template", "fim_template", "reasoning_parser", "tool_parser"]},
        ),
        ("Patience (seconds)", {"fields": ["first_token_timeout", "idle_timeout", "total_timeout"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ServedModel]:
        """With the number of deployments, in the same query."""
        return super().get_queryset(request).annotate(deployments_total=Count("deployments"))

    @admin.display(description="deployments", ordering="deployments_total")
    def deployment_count(self, model: Any) -> int:
        """How many there are."""
        return int(model.deployments_total)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """After the model and its inlines are saved, the change is audited and in force."""
        super().save_related(request, form, formsets, change)
        note_model_change(
            actor=actor_of(request), model=form.instance, created=not change, detail={"fields": form.changed_data}
        )

    def delete_model(self, request: HttpRequest, obj: ServedModel) -> None:
        """Through the service."""
        delete_model(actor=actor_of(request), model=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ServedModel]) -> None:
        """One by one, so that each has its audit event."""
        for model in queryset:
            delete_model(actor=actor_of(request), model=model)

    @admin.action(description="Publish the selected models")
    def publish(self, request: HttpRequest, queryset: QuerySet[ServedModel]) -> None:
        """Offers those that can be; says what the others lack."""
        for model in queryset:
            model.published = True
            try:
                check_publishable(model)
            except ValidationError as error:
                self.message_user(request, f"{model}: {' '.join(error.messages)}", messages.ERROR)
                continue
            self._set_published(request, model)

    @admin.action(description="Withdraw the selected models")
    def withdraw(self, request: HttpRequest, queryset: QuerySet[ServedModel]) -> None:
        """Takes them off the offer; nothing is deleted."""
        for model in queryset:
            model.published = False
            self._set_published(request, model)

    def _set_published(self, request: HttpRequest, model: ServedModel) -> None:
        model.save(update_fields=["published"])
        note_model_change(actor=actor_of(request), model=model, created=False)
        self.message_user(request, f"{model} is {'published' if model.published else 'withdrawn'}.")
