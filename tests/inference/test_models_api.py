"""What `/v1/models` tells a key: the models it may use, with its organization's prices."""

from datetime import date

import pytest
from openai.types import Model

from accounts.models import Organization
from accounts.selectors import default_project_of
from accounts.services import create_organization, issue_key
from billing.services import set_price
from inference.models import ServedModel
from inference.services import publish_model
from tests.inference.conftest import ACTOR, SIZES
from tests.inference.getting import fetch

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def reeder() -> Organization:
    return create_organization(actor=ACTOR, slug="reeder", name="Reederei Alster")


def key_of(organization: Organization) -> str:
    return issue_key(actor=ACTOR, project=default_project_of(organization), name="shop").text


def test_the_callers_own_prices_are_shown(model: ServedModel, reeder: Organization) -> None:
    kontor = create_organization(actor=ACTOR, slug="kontor", name="Kontor Elbe")
    set_price(input_nano=100_000_000, output_nano=450_000_001, model_id="acme/small", organization=reeder)
    own = fetch("/v1/models/acme/small", key_of(reeder)).json
    Model.model_validate(own, strict=True)
    nano = {"input": 100_000_000, "cached_input": 100_000_000, "output": 450_000_001, "reasoning": 450_000_001}
    assert own["prices"] == {
        "currency": "EUR",
        "per_tokens": 1_000_000,
        "input": "0.1",
        "cached_input": "0.1",
        "output": "0.450000001",
        "reasoning": "0.450000001",
        "nano_euro": nano,
    }
    (listed,) = fetch("/v1/models", key_of(kontor)).json["data"]
    assert (listed["prices"]["input"], listed["prices"]["output"]) == ("0.15", "0.6")
    assert {**listed, "prices": None} == {**own, "prices": None}


def test_aliases_and_lifecycle_are_told(model: ServedModel, reeder: Organization) -> None:
    end = {"lifecycle": "deprecated", "deprecated_on": date(2026, 1, 2), "retires_on": date(2999, 1, 1)}
    publish_model(actor=ACTOR, model_id="acme/old", replacement=model, **end, **SIZES)
    key = key_of(reeder)
    answer = fetch("/v1/models/acme/old", key)
    found = answer.json
    assert (found["lifecycle"], found["deprecation_date"], found["shutdown_date"], found["replacement"]) == (
        "deprecated",
        "2026-01-02",
        "2999-01-01",
        "acme/small",
    )
    assert "deprecation" in answer.headers
    assert fetch("/v1/models/small", key).json["aliases"] == ["small"]


def test_a_replacement_that_is_hidden_is_not_named(model: ServedModel, reeder: Organization) -> None:
    hidden = publish_model(actor=ACTOR, model_id="acme/secret", visibility="granted", **SIZES)[0]
    publish_model(actor=ACTOR, model_id="acme/small", replacement=hidden)
    assert fetch("/v1/models/acme/small", key_of(reeder)).json["replacement"] is None
