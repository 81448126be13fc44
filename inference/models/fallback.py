"""What answers for an organization where it asks for a model that is not there."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from accounts.models import Organization
from accounts.tenancy import TenantQuerySet
from inference.models.catalogue import ServedModel, Visibility


class FallbackModel(models.Model):
    """The model that answers an organization's requests for names behind which it finds none; without a row, none."""

    organization = models.OneToOneField(Organization, on_delete=models.CASCADE, related_name="fallback_model")
    model = models.ForeignKey(
        ServedModel, on_delete=models.CASCADE, related_name="+", help_text="It answers under its own name and price."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar = TenantQuerySet.as_manager()

    class Meta:
        ordering = ["organization__slug"]

    def __str__(self) -> str:
        return f"{self.model} for {self.organization}"

    def clean(self) -> None:
        """The organization may use the model."""
        if self.organization_id is None or self.model_id is None:
            return
        if not self.model.published:
            raise ValidationError({"model": "This model is not published."})
        granted = self.model.grants.filter(organization=self.organization).exists()
        if self.model.visibility == Visibility.GRANTED and not granted:
            raise ValidationError({"model": "The organization may not use this model."})
