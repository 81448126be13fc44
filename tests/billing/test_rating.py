"""What is charged, what is free, and what must not pass as free."""

import asyncio

import pytest
import structlog
from msgspec import structs

from billing.metering import MeteringWriter
from billing.models import UsageRecord
from billing.pricing import Price
from billing.rating import rate
from tests.billing.conftest import make_entry

PRICE = Price(3, 650_000_000, 650_000_000, 1_950_000_000, 1_950_000_000)


@pytest.mark.parametrize(
    ("values", "cost"),
    [
        ({}, 1_040_000),
        ({"outcome": "cancelled", "output_tokens": 20}, 689_000),
        ({"outcome": "interrupted", "token_source": "estimated"}, 1_040_000),
        ({"outcome": "failed"}, 0),
        ({"outcome": "failed", "token_source": "none", "input_tokens": 0, "output_tokens": 0}, 0),
        ({"token_source": "none", "input_tokens": 0, "output_tokens": 0}, None),
    ],
)
def test_the_cost_follows_from_outcome_and_counts(values: dict[str, object], cost: int | None) -> None:
    entry = make_entry(cost_nano=None, **values)
    rate(entry, PRICE)
    assert (entry.cost_nano, entry.price_version_id) == (cost, 3)


@pytest.mark.parametrize("item", ["images", "documents"])
def test_an_image_or_a_document_without_a_price_leaves_a_request_unrated(item: str) -> None:
    entry = make_entry(cost_nano=0, **{item: 2})
    rate(entry, PRICE)
    assert (entry.cost_nano, entry.price_version_id) == (None, 3)
    rate(entry, structs.replace(PRICE, **{f"{item.removesuffix('s')}_nano": 5}))
    assert entry.cost_nano == 1_040_000 + 10
    entry.outcome = "failed"
    rate(entry, PRICE)
    assert entry.cost_nano == 0


def test_without_a_price_a_request_is_unrated_not_free() -> None:
    entry = make_entry()
    rate(entry, None)
    assert (entry.cost_nano, entry.price_version_id) == (None, None)


@pytest.mark.django_db(transaction=True)
def test_an_unrated_record_is_written_and_warned_of() -> None:
    unpriced = make_entry(cost_nano=None)
    uncounted = make_entry(cost_nano=0, token_source="none")
    fine = make_entry()

    async def main() -> None:
        writer = MeteringWriter()
        await asyncio.gather(*map(writer.submit, (unpriced, uncounted, fine)))
        await writer.close()

    with structlog.testing.capture_logs() as logs:
        asyncio.run(main())
    warned = {log["request_id"] for log in logs if log["event"] == "usage_unrated" and log["log_level"] == "warning"}
    assert warned == {str(unpriced.id), str(uncounted.id)}
    assert set(UsageRecord.objects.filter(cost_nano=None).values_list("id", flat=True)) == {unpriced.id, uncounted.id}
