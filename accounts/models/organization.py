"""Customers: organizations, their projects and their members."""

from typing import ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from accounts.tenancy import TenantQuerySet


class Organization(models.Model):
    """A customer: owns projects, keys, usage and invoices."""

    class Status(models.TextChoices):
        ACTIVE = "active", "active"
        SUSPENDED = "suspended", "suspended"
        CLOSED = "closed", "closed"

    slug = models.SlugField(unique=True, max_length=63, help_text="Short name in URLs, logs and commands.")
    name = models.CharField(max_length=200, help_text="As shown on pages.")
    legal_name = models.CharField(max_length=200, blank=True, help_text="As it stands on invoices.")
    address_line1 = models.CharField("address", max_length=200, blank=True)
    address_line2 = models.CharField("address, second line", max_length=200, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)
    city = models.CharField(max_length=100, blank=True)
    country = models.CharField(
        max_length=2,
        blank=True,
        validators=[RegexValidator(r"^[A-Z]{2}$", "Two capital letters, ISO 3166-1 alpha-2 (DE, AT, FR).")],
        help_text="ISO 3166-1 alpha-2, for example DE.",
    )
    vat_id = models.CharField("VAT id", max_length=20, blank=True, help_text="With the country's prefix: DE123456789.")
    billing_email = models.EmailField("billing e-mail", blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        """Whether its keys are accepted."""
        return self.status == self.Status.ACTIVE


class Project(models.Model):
    """A part of an organization that holds keys and carries a cost centre."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="projects")
    slug = models.SlugField(max_length=63, default="default")
    name = models.CharField(max_length=200, default="Default")
    cost_centre = models.CharField(max_length=64, blank=True)
    is_default = models.BooleanField("default project", default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar = TenantQuerySet.as_manager()

    class Meta:
        ordering = ["organization", "name"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "slug"], name="project_slug_unique_in_organization"),
            models.UniqueConstraint(
                fields=["organization"],
                condition=models.Q(is_default=True),
                name="project_one_default_per_organization",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization} / {self.name}"


class Role(models.TextChoices):
    """What a member may do; `accounts.permissions` has the table."""

    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    BILLING = "billing", "Billing"
    DEVELOPER = "developer", "Developer"
    VIEWER = "viewer", "Viewer"


class Membership(models.Model):
    """A user's place in an organization."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.DEVELOPER)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar = TenantQuerySet.as_manager()

    class Meta:
        ordering = ["organization", "user"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "user"], name="membership_once_per_organization")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.organization} ({self.get_role_display()})"
