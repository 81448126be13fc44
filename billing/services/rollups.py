"""Usage rolled up by the hour: pages and reports read these sums, never the records."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Count, Q, Sum
from django.db.models.functions import Now, TruncHour

from billing.models import Outcome, RollupWatermark, UsageHour, UsageRecord

WATERMARK = "usage_hour"
# A record's `recorded_at` is taken before its commit: one that commits late must still be seen by the next rollup. Many
# times what a commit may take (`billing.record_store.STATEMENT_SECONDS`).
OVERLAP = timedelta(minutes=5)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
# Organizations of one transaction; below SQLite's limit on parameters.
BATCH = 400
SUMMED = (
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "images",
    "documents",
    "cost_nano",
)


def roll_up_usage() -> int:
    """Brings the hourly sums up to date; how many (hour, organization) groups were summed anew.

    Whatever was recorded since the watermark names the groups; each is deleted and summed whole, so that a run may be
    repeated, overlap with another or die anywhere without counting anything twice.
    """
    watermark, _ = RollupWatermark.objects.get_or_create(name=WATERMARK, defaults={"read_until": BEGINNING})
    read_until = _database_now()
    recorded = UsageRecord.objects.filter(recorded_at__gt=watermark.read_until - OVERLAP)
    groups: dict[datetime, list[int]] = defaultdict(list)
    changed = recorded.annotate(hour=TruncHour("started_at", tzinfo=UTC)).values_list("hour", "organization_id")
    for hour, organization_id in changed.order_by("hour", "organization_id").distinct():
        groups[hour].append(organization_id)
    for hour, organizations in groups.items():
        for start in range(0, len(organizations), BATCH):
            _sum_again(hour, organizations[start : start + BATCH])
    # Never backwards, should a slower run end after a later one.
    RollupWatermark.objects.filter(name=WATERMARK, read_until__lt=read_until).update(read_until=read_until)
    return sum(map(len, groups.values()))


def _database_now() -> datetime:
    """The clock that writes `recorded_at`."""
    return RollupWatermark.objects.filter(name=WATERMARK).values_list(Now(), flat=True).get()


def _sum_again(hour: datetime, organizations: list[int]) -> None:
    with transaction.atomic():
        # One at a time: two would insert the same rows. The statements below see what the one before has committed.
        RollupWatermark.objects.select_for_update().get(name=WATERMARK)
        UsageHour.objects.filter(hour=hour, organization__in=organizations).delete()
        records = UsageRecord.objects.filter(
            organization__in=organizations, started_at__gte=hour, started_at__lt=hour + timedelta(hours=1)
        )
        sums = (
            records.order_by()
            .values("organization_id", "project_id", "api_key_id", "model_id", "endpoint")
            .annotate(
                requests=Count("id"),
                failed_requests=Count("id", filter=Q(outcome=Outcome.FAILED)),
                unrated_requests=Count("id", filter=Q(cost_nano=None)),
                # Without a default the sum of nothing but unrated records would be NULL.
                **{f"{column}_sum": Sum(column, default=0) for column in SUMMED},
            )
        )
        UsageHour.objects.bulk_create(
            UsageHour(hour=hour, **{name.removesuffix("_sum"): value for name, value in row.items()}) for row in sums
        )
