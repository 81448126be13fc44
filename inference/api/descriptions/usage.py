"""Usage and cost."""

from typing import Annotated, Literal

from msgspec import Meta

from billing.selectors import MAX_PAGE
from inference.api.answers.usage import UsageRecords, UsageSums
from inference.api.openapi import Operation, Query

PERIOD = (
    Query(name="start", type=str, description="From when: a day, an ISO 8601 time or Unix seconds; 30 days ago."),
    Query(name="end", type=str, description="Until when; a day counts in full. Now."),
)
FORMAT = Query(name="format", type=Literal["json", "csv"], description="JSON, unless CSV is wanted.")
CSV = {"text/csv": "A line of names, then a line each."}

GET_USAGE = Operation(
    id="getUsage",
    summary="Sums by day, model or key",
    tag="Usage",
    answer=UsageSums,
    texts=CSV,
    query=(
        Query(name="by", type=Literal["day", "key", "model"], description="What is summed over; days."),
        *PERIOD,
        FORMAT,
    ),
)
LIST_USAGE_RECORDS = Operation(
    id="listUsageRecords",
    summary="Requests, the latest first",
    tag="Usage",
    description="CSV holds the whole period.",
    answer=UsageRecords,
    texts=CSV,
    query=(
        *PERIOD,
        Query(name="limit", type=Annotated[int, Meta(ge=1, le=MAX_PAGE - 1)], description="Lines of a page; 100."),
        Query(name="after", type=str, description="The `last_id` of the page before."),
        FORMAT,
    ),
)
