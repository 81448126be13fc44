"""`GET /v1/usage` and `GET /v1/usage/records`: what an organization used and what it cost, as JSON or CSV."""

import uuid
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any, cast

import msgspec
from rest_framework.request import Request

from accounts.database_thread import in_database_thread
from billing.exports import csv_rows
from billing.money import nano_to_euro
from billing.selectors import (
    GROUPINGS,
    MAX_PAGE,
    Grouping,
    UsageLine,
    UsageSum,
    all_usage_records,
    usage_records,
    usage_sums,
)
from inference.api.base import ApiView, Result
from inference.api.descriptions.usage import GET_USAGE, LIST_USAGE_RECORDS
from inference.errors import InvalidRequest
from inference.pipeline import Answer

DEFAULT_DAYS = 30
DEFAULT_PAGE = 100
# Far enough from what dates can say that no zone and no added day goes beyond.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)
CSV = "text/csv; charset=utf-8"


def moment(request: Request, name: str, default: datetime, *, end: bool = False) -> datetime:
    """A query parameter that is a day (2026-11-21), an ISO 8601 moment or Unix seconds; a last day counts in full.

    Raises `InvalidRequest`.
    """
    text = request.query_params.get(name, "")
    if not text:
        return default
    found: datetime | None
    try:
        if text.isdecimal() and len(text) > len("20261121"):
            found = datetime.fromtimestamp(int(text), UTC)
        elif len(text) == len("2026-11-21"):
            found = datetime.combine(date.fromisoformat(text), time(), UTC) + timedelta(days=int(end))
        else:
            found = datetime.fromisoformat(text)
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        found = None
    if found is None or not EARLIEST <= found <= LATEST:
        raise InvalidRequest(
            f"'{name}' must be a day (2026-11-21), an ISO 8601 time or Unix seconds, from 1970 to 9000.",
            param=name,
            code="invalid_value",
        )
    return found


def choice(request: Request, name: str, options: list[str]) -> str:
    """A query parameter that is one of `options`, the first by default. Raises `InvalidRequest`."""
    text = request.query_params.get(name, "") or options[0]
    if text not in options:
        raise InvalidRequest(f"'{name}' must be one of {', '.join(options)}.", param=name, code="invalid_value")
    return text


class UsageAnswer(ApiView):
    """What both views share: the period and the two formats."""

    scope = "usage:read"

    def period(self, request: Request) -> tuple[datetime, datetime]:
        """From `start` (default: 30 days ago) until `end` (default: now). Raises `InvalidRequest`."""
        now = datetime.now(UTC)
        since = moment(request, "start", now - timedelta(days=DEFAULT_DAYS))
        until = moment(request, "end", now + timedelta(hours=1), end=True)
        if since >= until:
            raise InvalidRequest("'end' must be later than 'start'.", param="end", code="invalid_value")
        return since, until

    def listing(self, rows: list[Any], **more: Any) -> Result:
        """The rows as OpenAI lists things, with the cost also in euro."""
        data = [{**msgspec.to_builtins(row), "cost_eur": _euro(row.cost_nano)} for row in rows]
        return self.json(msgspec.json.encode({"object": "list", "currency": "EUR", **more, "data": data}))


class UsageView(UsageAnswer):
    """Sums by day, model or key."""

    operations = {"GET": GET_USAGE}

    async def get(self, request: Request) -> Result:
        """`by` (day, model, key), `start`, `end`, `format` (json, csv)."""
        since, until = self.period(request)
        by = choice(request, "by", sorted(GROUPINGS, key=lambda grouping: grouping != "day"))
        wanted = choice(request, "format", ["json", "csv"])
        organization_id = self.principal.organization_id
        rows = await in_database_thread(usage_sums, organization_id, since, until, cast(Grouping, by))
        if wanted == "csv":
            return Answer({}, frames=_in_one(b"".join(csv_rows(UsageSum, rows))), content_type=CSV)
        return self.listing(rows, by=by, start=since.isoformat(), end=until.isoformat())


class UsageRecordsView(UsageAnswer):
    """Requests, latest first."""

    operations = {"GET": LIST_USAGE_RECORDS}

    async def get(self, request: Request) -> Result:
        """`start`, `end`, `limit` (1 to 1000), `after` (an id), `format`; CSV holds the whole period."""
        since, until = self.period(request)
        organization_id = self.principal.organization_id
        if choice(request, "format", ["json", "csv"]) == "csv":
            rows = csv_rows(UsageLine, all_usage_records(organization_id, since, until))
            return Answer({}, frames=_in_threads(rows), content_type=CSV)
        limit = self.limit(request)
        found = await in_database_thread(usage_records, organization_id, since, until, self.after(request), limit + 1)
        page = found[:limit]
        return self.listing(page, has_more=len(found) > limit, last_id=str(page[-1].id) if page else None)

    def limit(self, request: Request) -> int:
        """Lines of a page. Raises `InvalidRequest`."""
        text = request.query_params.get("limit", str(DEFAULT_PAGE))
        # Python refuses to read numbers of thousands of digits.
        if len(text) > len(str(MAX_PAGE)) or not text.isdecimal() or not 1 <= int(text) < MAX_PAGE:
            raise InvalidRequest(
                f"'limit' must be a number from 1 to {MAX_PAGE - 1}.", param="limit", code="invalid_value"
            )
        return int(text)

    def after(self, request: Request) -> uuid.UUID | None:
        """The last id of the page before. Raises `InvalidRequest`."""
        text = request.query_params.get("after", "")
        try:
            return uuid.UUID(text) if text else None
        except ValueError:
            raise InvalidRequest("'after' must be the id of a request.", param="after", code="invalid_value") from None


def _euro(nano: int | None) -> str | None:
    return None if nano is None else f"{nano_to_euro(nano):f}"


async def _in_one(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


async def _in_threads(rows: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Rows in pieces, each read in a thread: the loop never waits for the database."""
    while piece := await in_database_thread(_piece, rows):
        yield piece


def _piece(rows: Iterator[bytes]) -> bytes:
    return b"".join(islice(rows, MAX_PAGE))
