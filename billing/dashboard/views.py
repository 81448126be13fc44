"""A member's first page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.dashboard.access import Place, organization_page, render_page
from accounts.selectors import keys_of
from billing.dashboard.charts import BarChart, bar_chart
from billing.money import format_euro
from billing.selectors import HourSums, today_by_hour

KEYS_SHOWN = 8
DECIMALS = 6
"""A short answer costs millionths of a euro: with two decimals it would look free."""


@dataclass(frozen=True)
class Row:
    """A row of the table: sums as they are, cost as text."""

    label: str
    requests: int
    failed_requests: int
    unrated_requests: int
    input_tokens: int
    output_tokens: int
    images: int
    documents: int
    cost: str


@require_safe
@organization_page("usage.view")
def overview(request: HttpRequest, place: Place) -> HttpResponse:
    """Today's usage, the keys that work, and how to call the API."""
    now = timezone.now().astimezone(UTC)
    hours = today_by_hour(place.organization)
    models = place.offered_models()
    keys = [key for key in keys_of(place.organization) if key.status(now) == "active"]
    base = settings.PUBLIC_URL or f"{request.scheme}://{request.get_host()}"
    return render_page(
        request,
        "billing/overview.html",
        place,
        {
            "now": now,
            "hours": [row_of(f"{hour.hour:%H:%M}", [hour]) for hour in hours],
            "total": row_of("Today", hours),
            "charts": charts_of(hours),
            "keys": keys[:KEYS_SHOWN],
            "more_keys": len(keys) > KEYS_SHOWN,
            "base_url": f"{base}/v1",
            "models": models,
            "example_model": models[0] if models else "model",
        },
    )


def row_of(label: str, hours: Sequence[HourSums]) -> Row:
    """The sum of `hours`."""
    return Row(
        label=label,
        requests=sum(hour.requests for hour in hours),
        failed_requests=sum(hour.failed_requests for hour in hours),
        unrated_requests=sum(hour.unrated_requests for hour in hours),
        input_tokens=sum(hour.input_tokens for hour in hours),
        output_tokens=sum(hour.output_tokens for hour in hours),
        images=sum(hour.images for hour in hours),
        documents=sum(hour.documents for hour in hours),
        cost=format_euro(sum(hour.cost_nano for hour in hours), DECIMALS),
    )


def charts_of(hours: Sequence[HourSums]) -> list[BarChart]:
    """Tokens and requests for each of the day's 24 hours."""
    by_hour = {hour.hour.astimezone(UTC).hour: hour for hour in hours}
    labels = [f"{hour:02}:00" for hour in range(24)]
    tokens = [(one.input_tokens, one.output_tokens) if (one := by_hour.get(hour)) else (0, 0) for hour in range(24)]
    requests = [(one.requests,) if (one := by_hour.get(hour)) else (0,) for hour in range(24)]
    return [
        bar_chart(
            name="tokens",
            title="Tokens by hour",
            series=("Input", "Output"),
            values=tokens,
            labels=labels,
            label_every=3,
        ),
        bar_chart(
            name="requests",
            title="Requests by hour",
            series=("Requests",),
            values=requests,
            labels=labels,
            label_every=3,
        ),
    ]
