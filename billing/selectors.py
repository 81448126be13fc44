"""Reads of usage for pages and the API: sums from the hourly rollups alone, lists from an index range of records."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from django.db.models import Sum
from django.db.models.functions import TruncDate
from django.utils import timezone
from msgspec import Struct

from accounts.models import Organization
from billing.models import UsageHour, UsageRecord
from billing.partitions import id_at

MAX_PAGE = 1000
SUMS = (
    "requests",
    "failed_requests",
    "unrated_requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "images",
    "documents",
    "cost_nano",
)
Grouping = Literal["day", "model", "key"]


class UsageSum(Struct, frozen=True, kw_only=True):
    """Sums over one `group`: a day (`2026-11-21`, UTC), a model's id or a key's public id. Cost in nano-euro."""

    group: str
    name: str
    requests: int
    failed_requests: int
    unrated_requests: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    images: int
    documents: int
    cost_nano: int


class HourSums(Struct, frozen=True, kw_only=True):
    """Sums over one hour; `hour` is its beginning, UTC. Cost in nano-euro."""

    hour: datetime
    requests: int
    failed_requests: int
    unrated_requests: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    images: int
    documents: int
    cost_nano: int


class UsageLine(Struct, frozen=True, kw_only=True):
    """One request as its organization may see it. `cost_nano` is nano-euro, None while unrated; times milliseconds."""

    id: uuid.UUID
    started_at: datetime
    project: str
    api_key: str
    model: str
    endpoint: str
    streamed: bool
    outcome: str
    error_code: str
    token_source: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    images: int
    documents: int
    cost_nano: int | None
    queue_ms: int | None
    first_token_ms: int | None
    total_ms: int | None


# What each grouping groups by, as (annotations, column of `group`, column of `name`).
GROUPINGS: dict[Grouping, tuple[dict[str, Any], str, str]] = {
    "day": ({"day": TruncDate("hour", tzinfo=UTC)}, "day", "day"),
    "model": ({}, "model_id", "model_id"),
    "key": ({}, "api_key__public_id", "api_key__name"),
}


def usage_sums(
    organization_id: Organization | int, since: datetime, until: datetime, by: Grouping = "day"
) -> list[UsageSum]:
    """The organization's sums by day, model or key over whole hours (UTC), ordered by group.

    From the hour that `since` lies in to the last one that begins before `until`; both are aware. Raises `KeyError` for
    another grouping.
    """
    annotations, group, name = GROUPINGS[by]
    rows = (
        _hours(organization_id, since, until)
        .annotate(**annotations)
        .values(*{group, name})
        .annotate(**_summed())
        .order_by(group, name)
    )
    return [UsageSum(group=str(row[group]), name=str(row[name]), **_sums_of(row)) for row in rows]


def today_by_hour(organization: Organization | int, now: datetime | None = None) -> list[HourSums]:
    """The organization's sums of today (UTC) up to `now`, one for each hour that has any, in order."""
    now = (now or timezone.now()).astimezone(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = _hours(organization, midnight, midnight + timedelta(days=1)).values("hour").annotate(**_summed())
    return [HourSums(hour=row["hour"], **_sums_of(row)) for row in rows.order_by("hour")]


def usage_records(
    organization_id: Organization | int,
    since: datetime,
    until: datetime,
    after: uuid.UUID | None = None,
    limit: int = 100,
) -> list[UsageLine]:
    """The organization's requests that arrived in [since, until), latest first: at most `limit` (1 to 1000) of them.

    `after` is the id of the last line of the page before. Times are those of the ids, to the millisecond.
    """
    records = UsageRecord.objects.for_organization(organization_id).filter(id__gte=id_at(since), id__lt=id_at(until))
    if after is not None:
        records = records.filter(id__lt=after)
    rows = records.order_by("-id").values(
        *(field for field in UsageLine.__struct_fields__ if field not in {"project", "api_key", "model"}),
        "project__slug",
        "api_key__public_id",
        "model_id",
    )
    return [
        UsageLine(
            project=row.pop("project__slug"), api_key=row.pop("api_key__public_id"), model=row.pop("model_id"), **row
        )
        for row in rows[: min(max(limit, 1), MAX_PAGE)]
    ]


def all_usage_records(organization_id: Organization | int, since: datetime, until: datetime) -> Iterator[UsageLine]:
    """As `usage_records`, all of them: a page at a time, so that neither memory nor a query grows with their number."""
    after: uuid.UUID | None = None
    while page := usage_records(organization_id, since, until, after, MAX_PAGE):
        yield from page
        after = page[-1].id


def _hours(organization: Organization | int, since: datetime, until: datetime) -> Any:
    first = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return UsageHour.objects.for_organization(organization).filter(hour__gte=first, hour__lt=until).order_by()


def _summed() -> dict[str, Any]:
    return {f"{column}_sum": Sum(column) for column in SUMS}


def _sums_of(row: dict[str, Any]) -> dict[str, int]:
    return {column: row[f"{column}_sum"] for column in SUMS}
