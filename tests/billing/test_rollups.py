"""Hourly sums: whatever the order of records and runs, they end as one sum over all records."""

import random
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import uuid_utils.compat
from django.db import connection, connections
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.models import RollupWatermark, UsageHour, UsageRecord
from billing.services import roll_up_usage
from billing.services.rollups import OVERLAP, SUMMED
from tests.billing.conftest import Customer, make_customer

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
COLUMNS = ("requests", "failed_requests", "unrated_requests", *SUMMED)


def unsaved(customer: Customer, **values: Any) -> UsageRecord:
    """A request's record."""
    usual = {
        "id": uuid_utils.compat.uuid7(),
        "organization": customer.organization,
        "project": customer.project,
        "api_key": customer.api_key,
        "model_id": "demo-chat",
        "endpoint": "chat.completions",
        "token_source": "reported",
        "outcome": "completed",
        "input_tokens": 10,
        "output_tokens": 2,
        "images": 1,
        "documents": 3,
        "cost_nano": 5,
        "started_at": NOON,
        "recorded_at": timezone.now(),
    }
    return UsageRecord(**{**usual, **values})


def record(customer: Customer, **values: Any) -> None:
    """A request whose record is committed."""
    UsageRecord.objects.bulk_create([unsaved(customer, **values)])


def expected() -> dict[tuple[Any, ...], Counter[str]]:
    """The sums of all records by hour, organization, key, model and endpoint, added up one by one."""
    sums: dict[tuple[Any, ...], Counter[str]] = {}
    for row in UsageRecord.objects.all():
        hour = row.started_at.replace(minute=0, second=0, microsecond=0)
        group = (hour, row.organization_id, row.project_id, row.api_key_id, row.model_id, row.endpoint)
        counts = sums.setdefault(group, Counter(dict.fromkeys(COLUMNS, 0)))
        counts.update({column: getattr(row, column) or 0 for column in SUMMED})
        counts.update(
            requests=1, failed_requests=int(row.outcome == "failed"), unrated_requests=int(row.cost_nano is None)
        )
    return sums


def rolled_up() -> dict[tuple[Any, ...], Counter[str]]:
    """What is in the table; fails on a group that is there twice."""
    sums = {
        (row.hour, row.organization_id, row.project_id, row.api_key_id, row.model_id, row.endpoint): Counter(
            {column: getattr(row, column) for column in COLUMNS}
        )
        for row in UsageHour.objects.all()
    }
    assert len(sums) == UsageHour.objects.count()
    return sums


requests = st.fixed_dictionaries(
    {
        "minutes": st.integers(-300, 300),
        "model_id": st.sampled_from(["a", "b"]),
        "outcome": st.sampled_from(["completed", "failed", "cancelled", "interrupted"]),
        "cost_nano": st.none() | st.integers(0, 2**50),
        "input_tokens": st.integers(0, 2**31 - 1),
        "output_tokens": st.integers(0, 2**31 - 1),
        "late": st.integers(0, int(OVERLAP.total_seconds()) - 60),
        "who": st.integers(0, 1),
    }
)


@pytest.fixture
def customers(db: None) -> list[Customer]:
    return [make_customer("reeder"), make_customer("kontor")]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(requests, max_size=5), max_size=5))
def test_any_order_of_requests_and_rollups_ends_in_the_sum_of_the_records(
    customers: list[Customer], batches: list[list[dict[str, Any]]]
) -> None:
    UsageRecord.objects.all().delete()
    UsageHour.objects.all().delete()
    RollupWatermark.objects.all().delete()
    for batch in batches:
        for values in batch:
            minutes, late, who = values.pop("minutes"), values.pop("late"), values.pop("who")
            record(
                customers[who],
                started_at=NOON + timedelta(minutes=minutes),
                # Stamped before the last rollup, committed after it.
                recorded_at=timezone.now() - timedelta(seconds=late),
                **values,
            )
        roll_up_usage()
    assert rolled_up() == expected()


def test_a_second_run_changes_nothing_and_later_ones_read_only_what_is_new(customers: list[Customer]) -> None:
    old = timezone.now() - timedelta(hours=1)
    record(customers[0], recorded_at=old)
    record(customers[1], recorded_at=old)
    assert roll_up_usage() == 2
    before = rolled_up()
    assert roll_up_usage() == 0
    assert rolled_up() == before == expected()
    record(customers[1], started_at=NOON + timedelta(hours=3))
    assert roll_up_usage() == 1
    assert rolled_up() == expected()


def test_a_run_that_dies_before_its_watermark_is_repeated_without_doubling(customers: list[Customer]) -> None:
    for hours in range(3):
        record(customers[0], started_at=NOON + timedelta(hours=hours))
    roll_up_usage()
    RollupWatermark.objects.update(read_until=datetime(1970, 1, 1, tzinfo=UTC))
    UsageHour.objects.filter(hour=NOON + timedelta(hours=2)).delete()
    roll_up_usage()
    assert rolled_up() == expected()


def test_an_hour_of_nothing_but_unrated_requests_costs_nothing_and_says_so(customers: list[Customer]) -> None:
    record(customers[0], cost_nano=None)
    roll_up_usage()
    hour = UsageHour.objects.get()
    assert (hour.cost_nano, hour.requests, hour.unrated_requests) == (0, 1, 1)


def test_the_first_moment_of_an_hour_belongs_to_it_and_the_last_too(customers: list[Customer]) -> None:
    for moment in (NOON, NOON + timedelta(hours=1) - timedelta(microseconds=1), NOON + timedelta(hours=1)):
        record(customers[0], started_at=moment)
    roll_up_usage()
    assert list(UsageHour.objects.order_by("hour").values_list("requests", flat=True)) == [2, 1]


@pytest.mark.django_db(transaction=True)
def test_workers_that_roll_up_at_once_while_records_come_in_double_nothing() -> None:
    customers = [make_customer("reeder"), make_customer("kontor")]
    dice = random.Random(7)
    errors: list[BaseException] = []
    written = threading.Event()

    def guarded(work: Any) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)
        finally:
            connections.close_all()

    def write() -> None:
        for _ in range(60):
            record(dice.choice(customers), started_at=NOON + timedelta(minutes=dice.randrange(180)))
        written.set()

    def roll() -> None:
        while not written.is_set():
            roll_up_usage()

    threads = [threading.Thread(target=guarded, args=(work,)) for work in (write, roll, roll, roll)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    roll_up_usage()
    assert rolled_up() == expected()
    assert UsageHour.objects.aggregate(Sum("requests"))["requests__sum"] == 60


def test_the_number_of_queries_does_not_grow_with_the_records(customers: list[Customer]) -> None:
    counts = []
    for records in (1, 100):
        UsageRecord.objects.bulk_create(unsaved(customers[0]) for _ in range(records))
        with CaptureQueriesContext(connection) as captured:
            roll_up_usage()
        counts.append(len(captured))
        # The first run also makes the watermark.
        RollupWatermark.objects.all().delete()
    assert counts[0] == counts[1]


def test_a_record_that_was_stamped_before_a_rollup_and_committed_after_it_is_summed(customers: list[Customer]) -> None:
    record(customers[0])
    roll_up_usage()
    record(customers[0], recorded_at=timezone.now() - timedelta(minutes=2))
    roll_up_usage()
    assert UsageHour.objects.get().requests == 2
