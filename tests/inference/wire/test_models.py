"""The model list on the wire."""

from datetime import date
from typing import Any

from openai.types import Model

from billing.pricing import Price
from inference.api.schemas.chat import ChatRequest
from inference.api.schemas.chat.checks import REFUSED
from inference.wire.models import PARAMETERS, model_list, model_object, price_object

PRICE = Price(version_id=1, input_nano=650_000_000, cached_input_nano=1, output_nano=3 * 10**9, reasoning_nano=0)


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
        "price": PRICE,
    }
    return model_object(**{**fields, **changes})


def test_a_model_is_openais_with_what_an_agent_needs() -> None:
    found = described()
    model = Model.model_validate(found, strict=True)
    assert (model.id, model.created, model.owned_by, model.shutdown_date) == ("demo-chat", 1_760_000_000, "hanse", None)
    assert found["object"] == "model"
    assert (found["max_model_len"], found["max_output_tokens"], found["default_output_tokens"]) == (8192, 4096, 1024)
    assert (found["class"], found["lifecycle"]) == ("standard", "active")


def test_a_model_is_read_by_clients_of_openrouter() -> None:
    found = described(input_modalities=["text", "image"], capabilities=["logprobs", "chat"])
    assert (found["name"], found["context_length"]) == ("demo-chat", 8192)
    assert found["top_provider"] == {"context_length": 8192, "max_completion_tokens": 4096, "is_moderated": False}
    assert found["architecture"]["modality"] == "text+image->text"
    assert {"temperature", "max_tokens", "top_logprobs"} <= set(found["supported_parameters"])
    assert not {"tools", "response_format"} & set(found["supported_parameters"])
    able = described(capabilities=["chat", "tools", "structured_outputs"])
    assert {"tools", "tool_choice", "response_format"} <= set(able["supported_parameters"])
    assert found["capabilities"] == ["chat", "logprobs"]
    # They would take it for US dollars.
    assert "pricing" not in found


def test_the_parameters_are_those_that_requests_may_have() -> None:
    for name in {name for names in PARAMETERS.values() for name in names}:
        assert name in ChatRequest.__struct_fields__
        assert name not in REFUSED


def test_a_price_is_exact_in_euro_and_in_nano_euro() -> None:
    assert price_object(PRICE) == {
        "currency": "EUR",
        "per_tokens": 1_000_000,
        "input": "0.65",
        "cached_input": "0.000000001",
        "output": "3",
        "reasoning": "0",
        "nano_euro": {"input": 650_000_000, "cached_input": 1, "output": 3_000_000_000, "reasoning": 0},
    }
    assert described(price=None)["prices"] is None


def test_what_is_paid_by_the_piece_is_shown_where_the_model_has_it() -> None:
    price = Price(1, 20_000_000, 0, 0, 0, image_nano=40_000_000, document_nano=2_000)
    assert not {"per_image", "per_document"} & set(price_object(price, ["chat", "embeddings"]))
    ranking = price_object(price, ["rerank"])
    assert (ranking["per_document"], ranking["nano_euro"]["per_document"]) == ("0.000002", 2_000)
    drawing = described(price=price, capabilities=["images"])["prices"]
    assert (drawing["per_image"], drawing["nano_euro"]["per_image"]) == ("0.04", 40_000_000)


def test_the_sizes_of_embeddings_are_shown_where_there_is_a_choice() -> None:
    assert described(embedding_dimensions=(256, 64))["embedding_dimensions"] == [256, 64]
    assert "embedding_dimensions" not in described()


def test_a_size_is_never_0() -> None:
    assert "max_model_len" not in described(context_length=0)


def test_the_end_of_a_model_is_a_date() -> None:
    found = described(retires_on=date(2027, 1, 31), deprecated_on=date(2026, 12, 1), replacement="next")
    assert Model.model_validate(found, strict=True).shutdown_date == "2027-01-31"
    assert (found["deprecation_date"], found["replacement"]) == ("2026-12-01", "next")


def test_a_list_is_openais() -> None:
    assert model_list([described()]) == {"object": "list", "data": [described()]}
