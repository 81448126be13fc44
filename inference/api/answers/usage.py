"""The answers of `/v1/usage`."""

from typing import Literal

from msgspec import Struct

from billing.selectors import UsageLine, UsageSum


class UsageSumAnswer(UsageSum, frozen=True, kw_only=True):
    """What was used under one key of the grouping."""

    cost_eur: str | None


class UsageRecord(UsageLine, frozen=True, kw_only=True):
    """One request, as its organization may see it."""

    cost_eur: str | None


class UsageSums(Struct):
    """Sums of a period."""

    object: Literal["list"]
    currency: Literal["EUR"]
    by: Literal["day", "model", "key"]
    start: str
    end: str
    data: list[UsageSumAnswer]


class UsageRecords(Struct):
    """A page of requests, the latest first."""

    object: Literal["list"]
    currency: Literal["EUR"]
    has_more: bool
    last_id: str | None
    data: list[UsageRecord]
