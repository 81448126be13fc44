"""What operators see of prices and usage, and what they cannot touch."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEvent, User
from billing.admin.usage import BoundedPaginator
from billing.models import PriceVersion, UsageRecord
from billing.record_store import insert_records
from billing.services import roll_up_usage, set_price
from tests.billing.conftest import Customer, make_customer, make_entry

RECORDS = "/admin/billing/usagerecord/"
HOURS = "/admin/billing/usagehour/"
PRICES = "/admin/billing/priceversion/"


@pytest.fixture
def operator(db: None) -> Client:
    """A browser in which an operator is signed in."""
    client = Client()
    client.force_login(User.objects.create_superuser("operator@hanse.example"))
    return client


def rows(page: Any) -> list[Any]:
    return list(page.context["cl"].result_list)


def insert(customer: Customer, **values: Any) -> UsageRecord:
    entry = make_entry(customer, **values)
    insert_records(connection, [entry])
    return UsageRecord.objects.get(id=entry.id)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"a", "b", "c"}),
        ("organization=kontor", {"c"}),
        ("organization=nobody", set()),
        ("model=b", {"b"}),
        ("organization=reeder&model=c", set()),
        ("rating=unrated", {"b"}),
        ("rating=rated", {"a", "c"}),
        ("outcome__exact=failed", {"c"}),
        ("day=2001-01-01", set()),
    ],
)
def test_records_are_filtered(operator: Client, customer: Customer, query: str, expected: set[str]) -> None:
    insert(customer, model_id="a")
    insert(customer, model_id="b", cost_nano=None)
    insert(make_customer("kontor"), model_id="c", outcome="failed")
    assert {row.model_id for row in rows(operator.get(f"{RECORDS}?{query}"))} == expected


def test_records_are_filtered_by_key_and_day_and_found_by_request_id(operator: Client, customer: Customer) -> None:
    record = insert(customer)
    insert(make_customer("kontor"))
    today = datetime.now(UTC).date()
    assert rows(operator.get(f"{RECORDS}?key={customer.api_key.public_id}&day={today}")) == [record]
    assert rows(operator.get(f"{RECORDS}?day={today + timedelta(days=1)}")) == []
    for text in (str(record.id), f"chatcmpl-{record.id.hex}", str(record.id).upper()):
        assert rows(operator.get(RECORDS, {"q": text})) == [record]
    assert rows(operator.get(RECORDS, {"q": "no id"})) == []


def test_a_day_that_is_none_is_no_error_page(operator: Client, customer: Customer) -> None:
    assert operator.get(f"{RECORDS}?day=yesterday").status_code == 302
    assert operator.get(f"{RECORDS}?day=yesterday", follow=True).status_code == 200


def test_a_filter_keeps_the_others_and_can_be_cleared(operator: Client, customer: Customer) -> None:
    insert(customer)
    page = operator.get(f"{RECORDS}?organization=reeder&model=demo-chat").content.decode()
    assert '<input type="hidden" name="organization" value="reeder">' in page
    assert 'href="?organization=reeder"' in page
    assert '<option value="reeder"></option>' in page


def test_cost_and_tokens_are_on_the_page(operator: Client, customer: Customer) -> None:
    insert(customer, input_tokens=4321, cost_nano=1_234_567)
    insert(customer, cost_nano=None)
    page = operator.get(RECORDS).content.decode()
    assert "€0.001234567" in page
    assert "unrated" in page
    assert "4321" in page


@pytest.mark.parametrize("path", [RECORDS, HOURS, PRICES])
def test_a_list_asks_as_often_for_twenty_rows_as_for_two(operator: Client, path: str) -> None:
    counts = []
    for batch in (range(2), range(2, 20)):
        for number in batch:
            customer = make_customer(f"customer-{number}")
            insert(customer, model_id=f"model-{number}")
            set_price(model_id="m", organization=customer.organization, input_nano=1, output_nano=1)
        roll_up_usage()
        with CaptureQueriesContext(connection) as captured:
            page = operator.get(path)
        assert len(rows(page)) == batch[-1] + 1
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_counting_stops_at_a_bound(operator: Client, customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedPaginator, "LIMIT", 3)
    for _ in range(5):
        insert(customer)
    with CaptureQueriesContext(connection) as captured:
        page = operator.get(RECORDS)
    assert page.context["cl"].result_count == 3
    counting = [query["sql"] for query in captured if "COUNT(" in query["sql"] and "usagerecord" in query["sql"]]
    assert len(counting) == 1
    assert "LIMIT 3" in counting[0]


def test_usage_can_be_read_and_neither_added_changed_nor_deleted(operator: Client, customer: Customer) -> None:
    record = insert(customer)
    roll_up_usage()
    assert operator.get(f"{RECORDS}{record.id}/change/").status_code == 200
    assert operator.get(HOURS).status_code == 200
    for path in (RECORDS, HOURS):
        assert operator.get(f"{path}add/").status_code == 403
    assert operator.post(f"{RECORDS}{record.id}/change/", {"model_id": "x"}).status_code == 403
    assert operator.post(f"{RECORDS}{record.id}/delete/", {"post": "yes"}).status_code == 403


def form(**values: str) -> dict[str, str]:
    usual = {"model_id": "demo-chat", "model_class": "", "organization": "", "input_eur": "0.65", "output_eur": "1.95"}
    empty = {"cached_input_eur": "", "reasoning_eur": "", "effective_from_0": "", "effective_from_1": ""}
    return {**usual, **empty, **values}


def test_a_price_is_typed_in_euro_and_kept_in_nano_euro(operator: Client) -> None:
    assert operator.post(f"{PRICES}add/", form(cached_input_eur="0.000000001")).status_code == 302
    version = PriceVersion.objects.get()
    assert (version.input_nano, version.cached_input_nano, version.output_nano) == (650_000_000, 1, 1_950_000_000)
    assert version.reasoning_nano is None
    assert version.is_in_effect()
    assert AuditEvent.objects.get(action="price.set").actor_label == "operator@hanse.example"
    assert "€0.65" in operator.get(PRICES).content.decode()


def test_an_image_and_a_document_have_a_price_or_none(operator: Client) -> None:
    assert operator.post(f"{PRICES}add/", form(image_eur="0.04", document_eur="")).status_code == 302
    version = PriceVersion.objects.get()
    assert (version.image_nano, version.document_nano) == (40_000_000, None)
    assert "€0.04" in operator.get(PRICES).content.decode()


@pytest.mark.parametrize(
    "values",
    [
        {"image_eur": "1001"},
        {"input_eur": "0.0000000001"},
        {"input_eur": "-1"},
        {"input_eur": ""},
        {"output_eur": "NaN"},
        {"output_eur": "1000001"},
        {"model_id": ""},
        {"model_class": "premium"},
        {"effective_from_0": "2020-01-01", "effective_from_1": "00:00:00"},
    ],
)
def test_an_impossible_price_is_explained_beside_the_field(operator: Client, values: dict[str, str]) -> None:
    page = operator.post(f"{PRICES}add/", form(**values))
    assert page.status_code == 200
    assert page.context["adminform"].form.errors
    assert not PriceVersion.objects.exists()


def test_a_price_in_effect_is_there_to_read(operator: Client) -> None:
    version, _ = set_price(model_id="m", input_nano=5, output_nano=9)
    page = operator.get(f"{PRICES}{version.pk}/change/")
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
    assert operator.post(f"{PRICES}{version.pk}/change/", form()).status_code == 403
    assert operator.post(f"{PRICES}{version.pk}/delete/", {"post": "yes"}).status_code == 403
    version.refresh_from_db()
    assert version.input_nano == 5


def test_a_scheduled_price_can_be_changed_and_withdrawn(operator: Client) -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    version, _ = set_price(model_id="m", input_nano=650_000_000, output_nano=9, effective_from=tomorrow)
    page = operator.get(f"{PRICES}{version.pk}/change/")
    assert page.context["adminform"].form.initial["input_eur"] == Decimal("0.65")
    later = {"effective_from_0": "2999-01-01", "effective_from_1": "00:00:00"}
    changed = operator.post(f"{PRICES}{version.pk}/change/", form(model_id="m", input_eur="0.7", **later))
    assert changed.status_code == 302
    version = PriceVersion.objects.get()
    assert (version.input_nano, version.effective_from.year) == (700_000_000, 2999)
    assert operator.post(f"{PRICES}{version.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not PriceVersion.objects.exists()


def test_the_list_says_which_price_is_in_effect(operator: Client, customer: Customer) -> None:
    set_price(model_id="m", input_nano=1, output_nano=1)
    set_price(model_id="m", input_nano=2, output_nano=1)
    set_price(model_id="m", input_nano=3, output_nano=1, effective_from=timezone.now() + timedelta(days=1))
    set_price(model_id="m", input_nano=4, output_nano=1, organization=customer.organization)
    page = operator.get(PRICES)
    admin = page.context["cl"].model_admin
    states = {version.input_nano: admin.state(version) for version in rows(page)}
    assert states == {1: "superseded", 2: "in effect", 3: "scheduled", 4: "in effect"}
