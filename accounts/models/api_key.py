"""API keys: what a program shows to be let in. Only digests of secrets are stored."""

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models.organization import Project
from accounts.tenancy import ProjectTenantQuerySet, TenantQuerySet


class ApiKey(models.Model):
    """A key of a project. Its public id stays when the secret is rotated."""

    public_id = models.CharField(max_length=16, unique=True, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=100)
    scopes = models.JSONField(default=list, help_text="What the key may do; see accounts.scopes.")
    allowed_models = models.JSONField(default=list, blank=True, help_text="Model ids; empty: every model.")
    allowed_classes = models.JSONField(default=list, blank=True, help_text="premium, standard; empty: both.")
    allowed_networks = models.JSONField(default=list, blank=True, help_text="CIDR ranges; empty: from anywhere.")
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="To the minute.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )

    objects: ClassVar = ProjectTenantQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        ordering = ["-created_at"]
        constraints = [
            # A script that runs twice, or a form that is sent twice, must not make two keys.
            models.UniqueConstraint(
                fields=["project", "name"],
                condition=models.Q(revoked_at__isnull=True),
                name="api_key_name_unique_in_project",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.public_id})"

    def status(self, now: datetime | None = None) -> str:
        """`active`, `revoked` or `expired` at `now` (default: this moment)."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= (now or timezone.now()):
            return "expired"
        return "active"


class SecretQuerySet(TenantQuerySet):
    """Secrets hang on a key."""

    organization_path = "api_key__project__organization"


class ApiKeySecret(models.Model):
    """One secret of a key: two of them work side by side while a rotation overlaps."""

    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="secrets")
    digest = models.BinaryField(
        max_length=32, unique=True, help_text="HMAC-SHA256 of the key with the server's pepper."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="End of the overlap after a rotation.")

    objects: ClassVar = SecretQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"secret of {self.api_key_id}"
