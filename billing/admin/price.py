"""Prices: new versions are added, those in effect are there to read."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Coalesce, Now
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin.acting import ServiceAdmin, actor_of, take_over
from billing.models import PriceVersion
from billing.money import euro_to_nano, format_euro, nano_to_euro
from billing.services import set_price, withdraw_price

TOKENS = ("input", "cached_input", "output", "reasoning")
ITEMS = ("image", "document")
KINDS = (*TOKENS, *ITEMS)


class EuroField(forms.DecimalField):
    """An amount in EUR, exact to a nano-euro."""

    def __init__(self, *, max_value: int = 1_000_000, **kwargs: Any) -> None:
        """Up to so many EUR with nine decimals."""
        super().__init__(min_value=0, max_value=max_value, decimal_places=9, max_digits=16, **kwargs)


class PriceForm(forms.ModelForm):
    """A version with its amounts in EUR per million tokens, per image and per document."""

    input_eur = EuroField(label="Input", help_text="EUR per million tokens.")
    cached_input_eur = EuroField(label="Cached input", required=False, help_text="Empty: as input.")
    output_eur = EuroField(label="Output", help_text="EUR per million tokens.")
    reasoning_eur = EuroField(label="Reasoning", required=False, help_text="Empty: as output.")
    image_eur = EuroField(
        label="Image",
        required=False,
        max_value=1000,
        help_text="EUR per image; empty: no price. Image models need one.",
    )
    document_eur = EuroField(
        label="Document",
        required=False,
        max_value=1000,
        help_text="EUR per document that is ranked; empty: no price. Rerankers need one.",
    )
    effective_from = forms.SplitDateTimeField(
        widget=AdminSplitDateTime, required=False, help_text="UTC. Empty: at once."
    )

    class Meta:
        model = PriceVersion
        fields = ["model_id", "model_class", "organization", "effective_from"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Shows the amounts of a version that is there."""
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.initial["effective_from"] = None
            return
        for kind in KINDS:
            nano = getattr(self.instance, f"{kind}_nano")
            self.initial[f"{kind}_eur"] = None if nano is None else nano_to_euro(nano)

    def clean_effective_from(self) -> Any:
        """Not in the past; now when it is left empty."""
        moment = self.cleaned_data["effective_from"]
        if moment is not None and moment < timezone.now():
            raise ValidationError("A price cannot begin in the past.")
        return moment

    def amounts(self) -> dict[str, int | None]:
        """The amounts in nano-euro by column."""
        typed = {kind: self.cleaned_data[f"{kind}_eur"] for kind in KINDS}
        return {f"{kind}_nano": None if euro is None else euro_to_nano(euro) for kind, euro in typed.items()}


@admin.register(PriceVersion)
class PriceVersionAdmin(ServiceAdmin):
    """What tokens cost, by model or class, for everybody or for one customer."""

    form = PriceForm
    list_display = [
        "target",
        "customer",
        "effective_from",
        "state",
        "input",
        "cached_input",
        "output",
        "reasoning",
        "image",
        "document",
    ]
    list_display_links = ["target"]
    list_filter = ["model_class", "effective_from"]
    list_select_related = ["organization"]
    search_fields = ["model_id", "organization__slug", "organization__name"]
    search_help_text = "Model or customer"
    autocomplete_fields = ["organization"]
    fieldsets = [
        ("What and for whom", {"fields": ["model_id", "model_class", "organization", "effective_from"]}),
        ("EUR per million tokens", {"fields": [f"{kind}_eur" for kind in TOKENS]}),
        ("EUR each", {"fields": [f"{kind}_eur" for kind in ITEMS]}),
    ]
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriceVersion]:
        """With whether a later version has taken each one's place."""
        # Coalesced, since no NULL equals another.
        later = PriceVersion.objects.annotate(whom=Coalesce("organization_id", 0)).filter(
            whom=Coalesce(OuterRef("organization_id"), 0),
            model_id=OuterRef("model_id"),
            model_class=OuterRef("model_class"),
            effective_from__gt=OuterRef("effective_from"),
            effective_from__lte=Now(),
        )
        return super().get_queryset(request).annotate(superseded=Exists(later))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not once it is in effect: it is superseded by a new version."""
        return super().has_change_permission(request, obj) and (obj is None or not obj.is_in_effect())

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As long as it is not in effect."""
        allowed = request.user.has_perm("billing.delete_priceversion")
        return allowed and obj is not None and not obj.is_in_effect()

    def save_model(self, request: HttpRequest, obj: PriceVersion, form: Any, change: bool) -> None:
        """Through the service."""
        version, created = set_price(
            actor=actor_of(request),
            replaces=obj if change else None,
            model_id=obj.model_id,
            model_class=obj.model_class,
            organization=obj.organization,
            effective_from=form.cleaned_data["effective_from"],
            **form.amounts(),
        )
        take_over(obj, version)
        if not created:
            self.message_user(request, "The version in effect then says the same; it stands.")

    def delete_model(self, request: HttpRequest, obj: PriceVersion) -> None:
        """Through the service."""
        withdraw_price(actor=actor_of(request), version=obj)

    @admin.display(description="model or class", ordering="model_id")
    def target(self, version: PriceVersion) -> str:
        """What it is for."""
        return version.model_id or f"class {version.get_model_class_display()}"

    @admin.display(description="for")
    def customer(self, version: PriceVersion) -> str:
        """Whom it is for."""
        return "everybody" if version.organization is None else version.organization.name

    @admin.display
    def state(self, version: Any) -> str:
        """Scheduled, in effect or superseded."""
        if not version.is_in_effect():
            return "scheduled"
        return "superseded" if version.superseded else "in effect"

    @admin.display(description="input (EUR)")
    def input(self, version: PriceVersion) -> str:
        """Per million tokens."""
        return _euro(version.input_nano)

    @admin.display(description="cached input (EUR)")
    def cached_input(self, version: PriceVersion) -> str:
        """Per million tokens."""
        return _euro(version.cached_input_nano)

    @admin.display(description="output (EUR)")
    def output(self, version: PriceVersion) -> str:
        """Per million tokens."""
        return _euro(version.output_nano)

    @admin.display(description="reasoning (EUR)")
    def reasoning(self, version: PriceVersion) -> str:
        """Per million tokens."""
        return _euro(version.reasoning_nano)

    @admin.display(description="image (EUR)")
    def image(self, version: PriceVersion) -> str:
        """Each."""
        return _euro(version.image_nano)

    @admin.display(description="document (EUR)")
    def document(self, version: PriceVersion) -> str:
        """Each that is ranked."""
        return _euro(version.document_nano)


def _euro(nano: int | None) -> str:
    return "" if nano is None else format_euro(nano)
