"""Months on PostgreSQL: made ahead, found by the planner, and refilled from the DEFAULT partition."""

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from billing.models import UsageRecord
from billing.partitions import DEFAULT_PARTITION, MONTHS_AHEAD, TABLE, create_partitions, id_at, month_after
from billing.record_store import insert_records
from billing.services import ensure_partitions
from tests.billing.conftest import make_entry

FAR = datetime(2031, 3, 15, tzinfo=UTC)
seconds = st.integers(1_577_836_800, 4_102_444_800)


@given(seconds)
def test_a_months_ids_begin_where_the_month_before_ended(unix: int) -> None:
    moment = datetime.fromtimestamp(unix, UTC)
    begin, end = month_after(moment, 0), month_after(moment)
    assert begin <= moment < end
    assert (begin.day, end.day, end - begin >= timedelta(days=28)) == (1, 1, True)
    assert id_at(begin) <= id_at(moment) < id_at(end)


def test_ids_of_a_moment_are_not_below_its_bound() -> None:
    begun = timezone.now()
    entry = make_entry()
    assert id_at(begun) <= entry.id < id_at(timezone.now() + timedelta(seconds=1))


def partitions() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [TABLE])
        return {name for (name,) in cursor.fetchall()}


def holder_of(request_id: uuid.UUID) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM billing_usagerecord WHERE id = %s", [request_id])
        name: str = cursor.fetchone()[0]
        return name


@pytest.fixture
def on_postgresql(db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one plain table")


@pytest.mark.django_db
def test_sqlite_needs_no_partitions() -> None:
    if connection.vendor == "postgresql":
        pytest.skip("for SQLite")
    assert ensure_partitions() == []


@pytest.mark.usefixtures("on_postgresql")
def test_migrating_made_this_month_and_the_next_ones() -> None:
    names = {f"{TABLE}_{month_after(timezone.now(), count):%Y_%m}" for count in range(MONTHS_AHEAD + 1)}
    assert partitions() == {*names, DEFAULT_PARTITION}
    assert ensure_partitions() == []


@pytest.mark.usefixtures("on_postgresql")
def test_a_record_of_today_lies_in_its_month_and_one_of_no_month_in_the_default_partition() -> None:
    today, later = make_entry(), make_entry(id=uuid.UUID(int=id_at(FAR).int + 5))
    assert insert_records(connection, [today, later]) == 2
    assert holder_of(today.id) == f"{TABLE}_{timezone.now():%Y_%m}"
    assert holder_of(later.id) == DEFAULT_PARTITION


@pytest.mark.usefixtures("on_postgresql")
def test_a_month_that_is_made_late_takes_its_records_over() -> None:
    entries = [make_entry(id=uuid.UUID(int=id_at(FAR + timedelta(days=day)).int + 5)) for day in (0, 20, 200)]
    insert_records(connection, entries)
    assert len(ensure_partitions(now=FAR)) == MONTHS_AHEAD + 1
    holders = [holder_of(entry.id).removeprefix(f"{TABLE}_") for entry in entries]
    assert holders == ["2031_03", "2031_04", "default"]
    assert UsageRecord.objects.count() == 3
    assert insert_records(connection, entries) == 0


@pytest.mark.usefixtures("on_postgresql")
def test_a_day_is_read_from_one_partition_by_its_key() -> None:
    day = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    query = UsageRecord.objects.filter(id__gte=id_at(day), id__lt=id_at(day + timedelta(days=1)), model_id="m")
    plan = query.order_by("-id")[:10].explain()
    assert f"{TABLE}_{day:%Y_%m}" in plan
    assert f"{TABLE}_{month_after(day):%Y_%m}" not in plan


@pytest.mark.django_db(transaction=True)
def test_two_tasks_at_once_make_each_month_once() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one plain table")
    made: list[str] = []

    def make() -> None:
        made.extend(create_partitions(connection, now=FAR))
        connections.close_all()

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    try:
        assert sorted(made) == [f"{TABLE}_2031_{month:02}" for month in (3, 4, 5, 6)]
    finally:
        with connection.cursor() as cursor:
            for name in made:
                cursor.execute(f"DROP TABLE {name}")
