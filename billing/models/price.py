"""Prices: versioned and effective-dated, in nano-euro per million tokens, per image and per document."""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from accounts.models import Organization

# At most a million EUR for a million tokens: four thousand million of the dearest tokens still fit a BigIntegerField.
MAX_PRICE_NANO = 1_000_000 * 1_000_000_000
IN_RANGE = [MinValueValidator(0), MaxValueValidator(MAX_PRICE_NANO)]
# At most a thousand EUR each: a request has thousands of them at most.
MAX_ITEM_NANO = 1_000 * 1_000_000_000
PER_ITEM = [MinValueValidator(0), MaxValueValidator(MAX_ITEM_NANO)]


class PriceInEffectError(TypeError):
    """Somebody tried to change or delete a price that has been charged."""


class PriceVersion(models.Model):
    """What a million tokens, an image or a document cost from a moment on, for one model or for a class.

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
    input_nano = models.BigIntegerField("input", validators=IN_RANGE, help_text="Nano-euro per million tokens.")
    cached_input_nano = models.BigIntegerField(
        "cached input", null=True, blank=True, validators=IN_RANGE, help_text="Empty: as input."
    )
    output_nano = models.BigIntegerField("output", validators=IN_RANGE, help_text="Nano-euro per million tokens.")
    reasoning_nano = models.BigIntegerField(
        "reasoning", null=True, blank=True, validators=IN_RANGE, help_text="Empty: as output."
    )
    image_nano = models.BigIntegerField(
        "image",
        null=True,
        blank=True,
        validators=PER_ITEM,
        help_text="Nano-euro per image; empty: images have no price.",
    )
    document_nano = models.BigIntegerField(
        "document",
        null=True,
        blank=True,
        validators=PER_ITEM,
        help_text="Nano-euro per document that is ranked; empty: documents have no price.",
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

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Stores it; raises `PriceInEffectError` for one that has begun."""
        self._must_not_have_begun()
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Removes it; raises `PriceInEffectError` for one that has begun."""
        self._must_not_have_begun()
        return super().delete(*args, **kwargs)

    def clean(self) -> None:
        """Exactly one of model and class."""
        if bool(self.model_id) == bool(self.model_class):
            raise ValidationError({"model_id": "Name a model or choose a class, not both."})

    def is_in_effect(self, now: datetime | None = None) -> bool:
        """Whether it has begun at `now` (default: this moment); a later version may have superseded it since."""
        return self.effective_from <= (now or timezone.now())

    def _must_not_have_begun(self) -> None:
        # As stored: the instance may carry another date by now.
        stored = None if self.pk is None else PriceVersion.objects.filter(pk=self.pk).first()
        if stored is not None and stored.is_in_effect():
            raise PriceInEffectError("A price in effect is superseded by a new version, never changed.")
