"""Reads for pages and the API: one organization's own, bounded, and the same as the records say."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from django.db import connection

from billing.exports import csv_rows
from billing.partitions import id_at
from billing.record_store import insert_records
from billing.selectors import UsageLine, UsageSum, all_usage_records, today_by_hour, usage_records, usage_sums
from billing.services import roll_up_usage
from tests.billing.conftest import Customer, make_customer, make_entry

DAY = datetime(2026, 11, 21, tzinfo=UTC)
BEFORE, AFTER = DAY - timedelta(days=3), DAY + timedelta(days=3)


def request(customer: Customer, at: datetime, number: int = 0, **values: Any) -> Any:
    """A request that arrived at `at`, with an id of that time."""
    request_id = type(make_entry().id)(int=id_at(at).int + (7 << 76) + number)
    return make_entry(customer, id=request_id, started_at=at.timestamp(), **values)


@pytest.fixture
def usage(customer: Customer) -> Customer:
    """Three requests of two days and models; somebody else's request, which must never be seen."""
    other = make_customer("kontor")
    insert_records(
        connection,
        [
            request(customer, DAY + timedelta(hours=1), model_id="a", cost_nano=10),
            request(customer, DAY + timedelta(hours=1, minutes=59), model_id="b", cost_nano=20),
            request(customer, DAY - timedelta(hours=1), model_id="b", cost_nano=None, outcome="failed"),
            request(other, DAY + timedelta(hours=1), number=9, model_id="secret", cost_nano=99),
        ],
    )
    roll_up_usage()
    return customer


def test_sums_by_day(usage: Customer) -> None:
    sums = usage_sums(usage.organization, BEFORE, AFTER, "day")
    assert [(one.group, one.requests, one.cost_nano) for one in sums] == [("2026-11-20", 1, 0), ("2026-11-21", 2, 30)]
    assert [(one.failed_requests, one.unrated_requests) for one in sums] == [(1, 1), (0, 0)]


def test_sums_by_model(usage: Customer) -> None:
    sums = usage_sums(usage.organization.pk, BEFORE, AFTER, "model")
    assert [(one.group, one.requests, one.input_tokens) for one in sums] == [("a", 1, 1000), ("b", 2, 2000)]


def test_sums_by_key_name_the_key(usage: Customer) -> None:
    [one] = usage_sums(usage.organization, BEFORE, AFTER, "key")
    assert (one.group, one.name, one.requests) == (usage.api_key.public_id, "shop", 3)


def test_sums_begin_and_end_with_the_hours_asked_for(usage: Customer) -> None:
    def count(since: datetime, until: datetime) -> int:
        return sum(one.requests for one in usage_sums(usage.organization, since, until))

    assert count(DAY, DAY + timedelta(hours=1)) == 0
    assert count(DAY, DAY + timedelta(hours=1, seconds=1)) == 2
    assert count(DAY + timedelta(hours=1, minutes=30), AFTER) == 2
    assert count(DAY + timedelta(hours=2), AFTER) == 0


def test_an_unknown_grouping_is_an_error(usage: Customer) -> None:
    with pytest.raises(KeyError):
        usage_sums(usage.organization, BEFORE, AFTER, "prompt")


def test_today_has_the_hours_with_usage(usage: Customer) -> None:
    [hour] = today_by_hour(usage.organization, now=DAY + timedelta(hours=20))
    assert (hour.hour, hour.requests, hour.cost_nano) == (DAY + timedelta(hours=1), 2, 30)


def test_records_come_latest_first_and_only_ones_own(usage: Customer) -> None:
    lines = usage_records(usage.organization, BEFORE, AFTER)
    assert [line.model for line in lines] == ["b", "a", "b"]
    assert {line.api_key for line in lines} == {usage.api_key.public_id}
    assert lines[2].cost_nano is None
    assert msgspec.json.decode(msgspec.json.encode(lines[0]), type=UsageLine) == lines[0]


def test_records_of_a_time_are_those_that_arrived_in_it(usage: Customer) -> None:
    lines = usage_records(usage.organization, DAY, DAY + timedelta(hours=1, minutes=59))
    assert [line.model for line in lines] == ["a"]


def test_pages_follow_each_other_without_gap_or_repeat_while_new_requests_arrive(customer: Customer) -> None:
    insert_records(connection, [request(customer, DAY, number) for number in range(25)])
    seen: list[Any] = []
    after = None
    while page := usage_records(customer.organization, BEFORE, AFTER, after, 10):
        seen += [line.id for line in page]
        after = page[-1].id
        insert_records(connection, [request(customer, DAY + timedelta(hours=1), len(seen))])
    assert len(seen) == len(set(seen)) == 25
    assert seen == sorted(seen, reverse=True)


def test_a_page_has_at_most_a_thousand_lines_and_all_lines_are_had_page_by_page(
    customer: Customer, django_assert_num_queries: Any
) -> None:
    insert_records(connection, [request(customer, DAY, number) for number in range(1500)])
    assert len(usage_records(customer.organization, BEFORE, AFTER, limit=10_000)) == 1000
    with django_assert_num_queries(3):
        assert len(list(all_usage_records(customer.organization, BEFORE, AFTER))) == 1500


def table(rows: list[Any]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(csv_rows(type(rows[0]), rows)).decode())))


def test_csv_has_every_column_and_money_in_euro(usage: Customer) -> None:
    rows = table(usage_records(usage.organization, BEFORE, AFTER))
    assert list(rows[0]) == ["cost_eur" if name == "cost_nano" else name for name in UsageLine.__struct_fields__]
    assert [row["cost_eur"] for row in rows] == ["0.00000002", "0.00000001", ""]
    assert rows[1]["started_at"] == "2026-11-21T01:00:00+00:00"
    assert rows[1]["streamed"] == "false"


def test_csv_without_rows_is_its_header() -> None:
    assert b"".join(csv_rows(UsageSum, [])).startswith(b"group,name,requests,")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_csv_never_hands_a_formula_to_a_spreadsheet(text: str) -> None:
    numbers = dict.fromkeys(UsageSum.__struct_fields__[2:], 0)
    [row] = table([UsageSum(group="k", name=text, **{**numbers, "cost_nano": -5})])
    assert row["name"] == f"'{text}"
    # A negative amount is a number, not a formula.
    assert row["cost_eur"] == "-0.000000005"


def test_csv_quotes_what_would_break_a_line() -> None:
    numbers = dict.fromkeys(UsageSum.__struct_fields__[2:], 0)
    [row] = table([UsageSum(group='a "b", c', name="x\ny", **numbers)])
    assert (row["group"], row["name"]) == ('a "b", c', "x\ny")


def test_csv_is_made_as_it_is_read() -> None:
    taken = []

    def rows() -> Any:
        for number in range(3):
            taken.append(number)
            yield UsageSum(group=str(number), name="", **dict.fromkeys(UsageSum.__struct_fields__[2:], 0))

    lines = csv_rows(UsageSum, rows())
    assert next(lines).startswith(b"group,name,")
    assert next(lines).startswith(b"0,")
    assert taken == [0]
