"""What a request costs, and what is left unrated."""

import structlog

from billing.entry import UsageEntry
from billing.models import Outcome, TokenSource
from billing.pricing import Price, cost_nano

log = structlog.get_logger(__name__)


def rate(entry: UsageEntry, price: Price | None) -> None:
    """Sets the entry's price version and cost by its outcome and counts.

    A failed request costs nothing. Without a price for all that it has, or without known tokens, the cost stays None,
    "unrated": never 0.
    """
    entry.price_version_id = None if price is None else price.version_id
    if entry.outcome == Outcome.FAILED:
        entry.cost_nano = 0
    elif (
        price is None
        or entry.token_source == TokenSource.NONE
        or not price.covers(images=entry.images > 0, documents=entry.documents > 0)
    ):
        entry.cost_nano = None
    else:
        entry.cost_nano = cost_nano(
            price,
            input_tokens=entry.input_tokens,
            cached_input_tokens=entry.cached_input_tokens,
            output_tokens=entry.output_tokens,
            reasoning_tokens=entry.reasoning_tokens,
            images=entry.images,
            documents=entry.documents,
        )


def report_unrated(entry: UsageEntry) -> None:
    """A warning for an entry without a cost; one with a cost but without known tokens loses it first."""
    if entry.token_source == TokenSource.NONE and entry.outcome != Outcome.FAILED:
        entry.cost_nano = None
    if entry.cost_nano is None:
        log.warning(
            "usage_unrated", request_id=str(entry.id), organization_id=entry.organization_id, model=entry.model_id
        )
