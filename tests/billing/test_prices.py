"""Setting prices: by the service and by the command."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import AuditEvent
from billing.errors import PriceError
from billing.models import PriceInEffectError, PriceVersion
from billing.services import set_price, withdraw_price
from tests.billing.conftest import Customer

pytestmark = pytest.mark.django_db


def test_the_same_price_again_changes_nothing() -> None:
    version, created = set_price(model_id="m", input_nano=5, output_nano=9, cached_input_nano=5)
    again, created_again = set_price(model_id="m", input_nano=5, output_nano=9, reasoning_nano=9)
    assert (created, created_again) == (True, False)
    assert again == version
    assert PriceVersion.objects.count() == 1


def test_another_price_supersedes_and_keeps_the_old_version() -> None:
    old, _ = set_price(model_id="m", input_nano=5, output_nano=9)
    new, _ = set_price(model_id="m", input_nano=6, output_nano=9)
    assert new.effective_from > old.effective_from
    old.refresh_from_db()
    assert old.input_nano == 5


def test_the_price_goes_back_to_an_earlier_amount() -> None:
    for input_nano in (5, 6, 5):
        assert set_price(model_id="m", input_nano=input_nano, output_nano=9)[1]


def test_a_price_cannot_begin_in_the_past() -> None:
    with pytest.raises(PriceError):
        set_price(model_id="m", input_nano=5, output_nano=9, effective_from=timezone.now() - timedelta(minutes=1))


@pytest.mark.parametrize(
    "values",
    [
        {"model_id": "m", "model_class": "premium"},
        {},
        {"model_class": "luxury"},
        {"model_id": "m", "input_nano": -1},
        {"model_id": "m", "output_nano": 10**15 + 1},
    ],
)
def test_an_impossible_price_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(PriceError):
        set_price(**{"input_nano": 5, "output_nano": 9, **values})


def test_a_scheduled_price_is_replaced_and_one_in_effect_is_not() -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    set_price(model_id="m", input_nano=5, output_nano=9, effective_from=tomorrow)
    replaced, created = set_price(model_id="m", input_nano=6, output_nano=9, effective_from=tomorrow)
    assert created
    assert PriceVersion.objects.get() == replaced


def test_a_price_in_effect_can_neither_be_changed_nor_deleted_nor_withdrawn() -> None:
    version, _ = set_price(model_id="m", input_nano=5, output_nano=9)
    version.input_nano = 1
    version.effective_from = timezone.now() + timedelta(days=1)
    with pytest.raises(PriceInEffectError):
        version.save()
    with pytest.raises(PriceInEffectError):
        version.delete()
    with pytest.raises(PriceError):
        withdraw_price(version=version)
    version.refresh_from_db()
    assert version.input_nano == 5


def test_setting_and_withdrawing_are_in_the_trail() -> None:
    version, _ = set_price(
        model_id="m", input_nano=5, output_nano=9, effective_from=timezone.now() + timedelta(days=1), actor="test"
    )
    withdraw_price(version=version, actor="test")
    assert list(AuditEvent.objects.order_by("id").values_list("action", flat=True)) == ["price.set", "price.withdrawn"]
    assert not PriceVersion.objects.exists()


def run(*arguments: str) -> dict[str, object]:
    out = StringIO()
    call_command("set_price", *arguments, "--json", stdout=out)
    result: dict[str, object] = json.loads(out.getvalue())
    return result


def test_the_command_takes_euro_and_is_idempotent() -> None:
    first = run("--model", "demo-chat", "--input", "0.65", "--output", "1.95", "--cached-input", "0.325")
    again = run("--model", "demo-chat", "--input", "0.650", "--output", "1.95", "--cached-input", "0.325")
    assert (first["created"], again["created"]) == (True, False)
    assert again["id"] == first["id"]
    assert first["eur_per_million_tokens"] == {
        "input": "0.65",
        "cached_input": "0.325",
        "output": "1.95",
        "reasoning": "1.95",
    }
    assert PriceVersion.objects.get().input_nano == 650_000_000


def test_the_command_sets_a_customers_price_for_a_class_from_a_day_on(customer: Customer) -> None:
    arguments = ["--class", "premium", "--organization", "reeder", "--input", "1", "--output", "2"]
    result = run(*arguments, "--from", "2999-01-01")
    assert result["effective_from"] == "2999-01-01T00:00:00+00:00"
    assert PriceVersion.objects.get().organization == customer.organization


@pytest.mark.parametrize(
    "arguments",
    [
        ["--model", "m", "--input", "x", "--output", "1"],
        ["--model", "m", "--input", "0.0000000001", "--output", "1"],
        ["--model", "m", "--class", "premium", "--input", "1", "--output", "1"],
        ["--input", "1", "--output", "1"],
        ["--model", "m", "--organization", "nobody", "--input", "1", "--output", "1"],
        ["--model", "m", "--input", "1", "--output", "1", "--from", "2020-01-01"],
        ["--model", "m", "--input", "1", "--output", "1", "--from", "soon"],
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        run(*arguments)
    assert not PriceVersion.objects.exists()


def test_the_command_prices_images_and_documents() -> None:
    def told(*more: str) -> dict[str, object]:
        out = StringIO()
        call_command("set_price", "--model", "r", "--input", "0.02", "--output", "0", "--json", *more, stdout=out)
        return json.loads(out.getvalue())

    first = told("--document", "0.000002")
    assert first["eur_each"] == {"image": None, "document": "0.000002"}
    assert (first["created"], told("--document", "0.000002")["created"]) == (True, False)
    assert told("--image", "0.04")["eur_each"] == {"image": "0.04", "document": None}
    version = PriceVersion.objects.latest("effective_from")
    assert (version.image_nano, version.document_nano) == (40_000_000, None)


def test_an_items_price_has_a_bound() -> None:
    with pytest.raises(PriceError):
        set_price(model_id="m", input_nano=5, output_nano=9, image_nano=1_000_000_000_001)
