"""Usage: one record a request, rolled up by the hour. Counts and times, never content."""

from typing import Any, ClassVar

from django.db import models

from accounts.models import ApiKey, Organization, Project
from accounts.tenancy import TenantQuerySet
from billing.models.price import PriceVersion

# A reference without a constraint and without an index of its own.
UNCHECKED: dict[str, Any] = {"db_constraint": False, "db_index": False}


class TokenSource(models.TextChoices):
    """How a record's token counts are known."""

    REPORTED = "reported", "reported by the engine"
    COUNTED = "counted", "counted by the gateway"
    ESTIMATED = "estimated", "estimated"
    NONE = "none", "unknown"


class Outcome(models.TextChoices):
    """How a request ended."""

    COMPLETED = "completed", "completed"
    CANCELLED = "cancelled", "client left"
    FAILED = "failed", "failed"
    INTERRUPTED = "interrupted", "cut off with the process"


class UsageRecord(models.Model):
    """One request. `id` is its UUIDv7, the `x-request-id` header; `cost_nano` is null while it is unrated.

    On PostgreSQL the table is partitioned by month (`billing.partitions`). References are checked by Django alone: a
    constraint would lock the same few rows of keys and organizations with every commit, and make each new partition
    lock those tables.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+", **UNCHECKED)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+", **UNCHECKED)
    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="+", verbose_name="API key", **UNCHECKED)
    model_id = models.CharField("model", max_length=200)
    deployment = models.CharField(max_length=63, blank=True)
    endpoint = models.CharField(max_length=40)
    streamed = models.BooleanField(default=False)
    input_tokens = models.PositiveIntegerField(default=0)
    cached_input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    reasoning_tokens = models.PositiveIntegerField(default=0)
    images = models.PositiveIntegerField(default=0)
    documents = models.PositiveIntegerField(default=0)
    token_source = models.CharField(max_length=10, choices=TokenSource)
    price_version = models.ForeignKey(PriceVersion, null=True, on_delete=models.PROTECT, related_name="+", **UNCHECKED)
    cost_nano = models.BigIntegerField("cost", null=True, help_text="Nano-euro; empty: unrated.")
    outcome = models.CharField(max_length=12, choices=Outcome)
    error_code = models.CharField(max_length=64, blank=True)
    queue_ms = models.PositiveIntegerField(null=True, help_text="From arrival until the engine was called.")
    first_token_ms = models.PositiveIntegerField(null=True, help_text="From arrival until the first token.")
    total_ms = models.PositiveIntegerField(null=True)
    started_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_index=True)

    objects: ClassVar = TenantQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        # Lists run along the id, whose leading bits are time; only rollups ask for hours.
        indexes = [
            models.Index(fields=["organization", "id"], name="usage_organization_id"),
            models.Index(fields=["api_key", "id"], name="usage_key_id"),
            models.Index(fields=["model_id", "id"], name="usage_model_id"),
            models.Index(fields=["organization", "started_at"], name="usage_organization_started"),
            models.Index(fields=["id"], condition=models.Q(cost_nano=None), name="usage_unrated"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class UsageHour(models.Model):
    """The sum of an hour's records for one organization, project, key, model and endpoint; what pages read."""

    hour = models.DateTimeField(help_text="Its beginning, UTC.")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+")
    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="+", verbose_name="API key")
    model_id = models.CharField("model", max_length=200)
    endpoint = models.CharField(max_length=40)
    requests = models.BigIntegerField(default=0)
    failed_requests = models.BigIntegerField(default=0)
    unrated_requests = models.BigIntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    cached_input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    reasoning_tokens = models.BigIntegerField(default=0)
    images = models.BigIntegerField(default=0)
    documents = models.BigIntegerField(default=0)
    cost_nano = models.BigIntegerField("cost", default=0, help_text="Nano-euro.")

    objects: ClassVar = TenantQuerySet.as_manager()

    class Meta:
        ordering = ["-hour"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "hour", "project", "api_key", "model_id", "endpoint"], name="usage_hour_once"
            )
        ]
        indexes = [models.Index(fields=["hour"], name="usage_hour_hour")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}h {self.model_id}"


class RollupWatermark(models.Model):
    """How far a rollup has read the records."""

    name = models.CharField(max_length=40, primary_key=True)
    read_until = models.DateTimeField(help_text="`recorded_at` up to which everything is summed.")

    def __str__(self) -> str:
        return self.name
