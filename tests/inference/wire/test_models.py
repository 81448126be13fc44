"""The model list on the wire."""

from datetime import date
from typing import Any

from openai.types import Model

from inference.wire.models import model_list, model_object


def described(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "model_id": "demo-chat",
        "created": 1_760_000_000,
        "owned_by": "hanse",
        "context_length": 8192,
        "max_output_tokens": 4096,
        "default_output_tokens": 1024,
        "model_class": "standard",
        "lifecycle": "active",
        "input_modalities": ["text"],
        "output_modalities": ["text"],
    }
    return model_object(**{**fields, **changes})


def test_a_model_is_openais_with_what_an_agent_needs() -> None:
    found = described()
    model = Model.model_validate(found, strict=True)
    assert (model.id, model.created, model.owned_by, model.shutdown_date) == ("demo-chat", 1_760_000_000, "hanse", None)
    assert found["object"] == "model"
    assert (found["max_model_len"], found["max_output_tokens"], found["default_output_tokens"]) == (8192, 4096, 1024)
    assert (found["class"], found["lifecycle"]) == ("standard", "active")


def test_a_size_is_never_0() -> None:
    assert "max_model_len" not in described(context_length=0)


def test_the_end_of_a_model_is_a_date() -> None:
    found = described(retires_on=date(2027, 1, 31), deprecated_on=date(2026, 12, 1), replacement="next")
    assert Model.model_validate(found, strict=True).shutdown_date == "2027-01-31"
    assert (found["deprecation_date"], found["replacement"]) == ("2026-12-01", "next")


def test_a_list_is_openais() -> None:
    assert model_list([described()]) == {"object": "list", "data": [described()]}
