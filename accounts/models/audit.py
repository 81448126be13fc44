"""The audit trail: who did what to whom. Rows are only ever added."""

from typing import Any, ClassVar, NoReturn

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models.organization import Organization
from accounts.tenancy import TenantQuerySet


class AppendOnlyError(TypeError):
    """Somebody tried to change or delete the past."""


class AuditQuerySet(TenantQuerySet):
    """Reads and adds; never changes."""

    def update(self, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise AppendOnlyError("Audit events cannot be changed.")

    def delete(self) -> NoReturn:
        """Refused."""
        raise AppendOnlyError("Audit events cannot be deleted.")


class AuditEvent(models.Model):
    """One act. `detail` names fields and non-secret values, never keys, prompts or passwords."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    actor_label = models.CharField(max_length=254, help_text="The person's address, or the command that acted.")
    organization = models.ForeignKey(Organization, null=True, on_delete=models.PROTECT, related_name="+")
    action = models.CharField(max_length=64, db_index=True, help_text="For example api_key.issued.")
    target_type = models.CharField(max_length=64)
    target_id = models.CharField(max_length=64)
    target_label = models.CharField(max_length=254)
    detail = models.JSONField(default=dict)

    objects: ClassVar = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor_label} {self.action} {self.target_label}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Adds the row; raises `AppendOnlyError` for one that exists."""
        if self.pk is not None:
            raise AppendOnlyError("Audit events cannot be changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise AppendOnlyError("Audit events cannot be deleted.")
