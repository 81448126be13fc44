"""Prices: versioned and effective-dated, in nano-euro per million tokens."""

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from accounts.models import Organization


class PriceVersion(models.Model):
    """What a million tokens cost from a moment on, for one model or for a class.

    A request takes, of the versions in effect at its start, the most specific: customer and model, customer and
    class, model, class; and of those the latest. Integer nano-euro (1e-9 EUR): 0.65 EUR is 650,000,000.
    """

    organization = models.ForeignKey(
        Organization, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="Empty: list price."
    )
    model_id = models.CharField("model", max_length=200, blank=True, help_text="The model's id, or empty for a class.")
    model_class = models.CharField(
        "class", max_length=10, blank=True, choices=[("premium", "Premium"), ("standard", "Standard")]
    )
    effective_from = models.DateTimeField(default=timezone.now)
    input_nano = models.BigIntegerField(
        "input", validators=[MinValueValidator(0)], help_text="Nano-euro per million tokens."
    )
    cached_input_nano = models.BigIntegerField(
        "cached input", null=True, blank=True, validators=[MinValueValidator(0)], help_text="Empty: as input."
    )
    output_nano = models.BigIntegerField(
        "output", validators=[MinValueValidator(0)], help_text="Nano-euro per million tokens."
    )
    reasoning_nano = models.BigIntegerField(
        "reasoning", null=True, blank=True, validators=[MinValueValidator(0)], help_text="Empty: as output."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-effective_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "model_id", "model_class", "effective_from"], name="price_one_version_at_a_time"
            ),
            models.UniqueConstraint(
                fields=["model_id", "model_class", "effective_from"],
                condition=models.Q(organization=None),
                name="list_price_one_version_at_a_time",
            ),
            models.CheckConstraint(
                condition=(models.Q(model_id="") & ~models.Q(model_class=""))
                | (~models.Q(model_id="") & models.Q(model_class="")),
                name="price_for_a_model_or_a_class",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model_id or self.model_class} from {self.effective_from:%Y-%m-%d}"

    def clean(self) -> None:
        """Exactly one of model and class."""
        if bool(self.model_id) == bool(self.model_class):
            raise ValidationError({"model_id": "Name a model or choose a class, not both."})
