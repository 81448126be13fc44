"""Deployments in the admin."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin.acting import actor_of
from inference.deployment_check import check_deployment
from inference.models import Deployment
from inference.services import delete_deployment, save_deployment


class DeploymentForm(forms.ModelForm):
    """A deployment; the secret is written, never shown."""

    secret = forms.CharField(
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Value of the secret header. Leave empty to keep the one that is set.",
    )

    class Meta:
        model = Deployment
        fields: ClassVar[list[str]] = []  # the admin fills them in from its fieldsets

    def clean(self) -> dict[str, Any]:
        """A secret needs a header to travel in."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("secret") and not cleaned.get("secret_header"):
            self.add_error("secret_header", "Name the header that carries the secret.")
        return cleaned


@admin.register(Deployment)
class DeploymentAdmin(admin.ModelAdmin):
    """The engines."""

    form = DeploymentForm
    list_display = ["name", "model", "adapter", "url", "triton_model", "weight", "max_concurrency", "enabled"]
    list_filter = ["enabled", "adapter", "model__model_class"]
    list_select_related = ["model"]
    search_fields = ["name", "url", "triton_model", "model__model_id"]
    autocomplete_fields = ["model"]
    actions = ["check_engine", "enable", "disable"]
    fieldsets = [
        (None, {"fields": ["name", "model", "enabled"]}),
        ("Engine", {"fields": ["adapter", "url", "triton_model", "triton_version", "options"]}),
        ("Load", {"fields": ["weight", "max_concurrency"]}),
        ("Secret", {"fields": ["secret_header", "secret"]}),
    ]

    def save_model(self, request: HttpRequest, obj: Deployment, form: Any, change: bool) -> None:
        """Through the service."""
        save_deployment(actor=actor_of(request), deployment=obj, secret=form.cleaned_data.get("secret") or None)

    def delete_model(self, request: HttpRequest, obj: Deployment) -> None:
        """Through the service."""
        delete_deployment(actor=actor_of(request), deployment=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> None:
        """One by one, so that each has its audit event."""
        for deployment in queryset:
            delete_deployment(actor=actor_of(request), deployment=deployment)

    @admin.action(description="Check against the engine")
    def check_engine(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> None:
        """Says of each what does not fit."""
        for deployment in queryset.select_related("model"):
            report = check_deployment(deployment)
            if report.fits:
                self.message_user(request, f"{deployment.name} fits.", messages.SUCCESS)
            for problem in report.problems:
                self.message_user(request, f"{deployment.name}: {problem}", messages.WARNING)

    @admin.action(description="Enable the selected deployments")
    def enable(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> None:
        """They get requests again."""
        self._switch(request, queryset, enabled=True)

    @admin.action(description="Disable the selected deployments")
    def disable(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> None:
        """They get no new requests; what runs on them ends in its own time."""
        self._switch(request, queryset, enabled=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Deployment], *, enabled: bool) -> None:
        for deployment in queryset.select_related("model"):
            deployment.enabled = enabled
            save_deployment(actor=actor_of(request), deployment=deployment)
            self.message_user(request, f"{deployment.name} is {'enabled' if enabled else 'disabled'}.")
