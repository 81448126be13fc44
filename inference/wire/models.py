"""The objects of `/v1/models`: OpenAI's fields, and beside them what other clients look for.

`max_model_len` is vLLM's; `name`, `context_length`, `architecture`, `top_provider` and `supported_parameters` are
OpenRouter's, which coding agents read. OpenRouter's `pricing` is not among them: clients take it for US dollars.
"""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from billing.money import nano_to_euro
from billing.pricing import TOKENS_PER_PRICE, Price
from inference.image_sizes import ImageSizes

# What requests for a model of this capability may carry, in OpenRouter's words.
PARAMETERS = {
    "chat": (
        "frequency_penalty",
        "logit_bias",
        "max_completion_tokens",
        "max_tokens",
        "min_p",
        "presence_penalty",
        "repetition_penalty",
        "seed",
        "stop",
        "temperature",
        "top_k",
        "top_p",
    ),
    "logprobs": ("logprobs", "top_logprobs"),
    "reasoning": ("reasoning_effort",),
    "structured_outputs": ("response_format",),
    "tools": ("parallel_tool_calls", "tool_choice", "tools"),
}


def model_object(
    *,
    model_id: str,
    created: int,
    owned_by: str,
    context_length: int,
    max_output_tokens: int,
    default_output_tokens: int,
    model_class: str,
    lifecycle: str,
    input_modalities: Sequence[str],
    output_modalities: Sequence[str],
    price: Price | None,
    capabilities: Collection[str] = (),
    description: str = "",
    hugging_face_repository: str = "",
    aliases: Sequence[str] = (),
    deprecated_on: date | None = None,
    retires_on: date | None = None,
    replacement: str | None = None,
    embedding_dimensions: Sequence[int] = (),
    image_sizes: ImageSizes | None = None,
) -> dict[str, Any]:
    """OpenAI's model object with what an agent needs to know beside it; `created` in Unix seconds, sizes in tokens.

    A size that is not known is left out: a client would take 0 for a limit.
    """
    sizes = {
        "max_model_len": context_length,
        "context_length": context_length,
        "max_output_tokens": max_output_tokens,
        "default_output_tokens": default_output_tokens,
    }
    return {
        "id": model_id,
        "object": "model",
        "created": created,
        "owned_by": owned_by,
        "shutdown_date": _iso(retires_on),
        **{name: size for name, size in sizes.items() if size},
        **({"embedding_dimensions": list(embedding_dimensions)} if embedding_dimensions else {}),
        **({} if image_sizes is None else {"image_sizes": _image_sizes(image_sizes)}),
        "class": model_class,
        "input_modalities": list(input_modalities),
        "output_modalities": list(output_modalities),
        "capabilities": sorted(capabilities),
        "supported_parameters": _parameters(capabilities),
        "lifecycle": lifecycle,
        "deprecation_date": _iso(deprecated_on),
        "replacement": replacement,
        "prices": None if price is None else price_object(price, capabilities),
        "name": model_id,
        "description": description or None,
        "hugging_face_repository": hugging_face_repository or None,
        "aliases": list(aliases),
        "architecture": {
            "modality": f"{'+'.join(input_modalities)}->{'+'.join(output_modalities)}",
            "input_modalities": list(input_modalities),
            "output_modalities": list(output_modalities),
        },
        "top_provider": {
            "context_length": context_length or None,
            "max_completion_tokens": max_output_tokens or None,
            "is_moderated": False,
        },
    }


def price_object(price: Price, capabilities: Collection[str] = ()) -> dict[str, Any]:
    """What `per_tokens` tokens of each kind cost, and each image or document where the model makes or ranks any.

    In EUR as exact decimal text, and in integer nano-euro (1e-9 EUR).
    """
    nano = {
        "input": price.input_nano,
        "cached_input": price.cached_input_nano,
        "output": price.output_nano,
        "reasoning": price.reasoning_nano,
    }
    if "images" in capabilities and price.image_nano is not None:
        nano["per_image"] = price.image_nano
    if "rerank" in capabilities and price.document_nano is not None:
        nano["per_document"] = price.document_nano
    euro = {kind: f"{nano_to_euro(amount):f}" for kind, amount in nano.items()}
    return {"currency": "EUR", "per_tokens": TOKENS_PER_PRICE, **euro, "nano_euro": nano}


def model_list(models: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The list of model objects."""
    return {"object": "list", "data": list(models)}


def _image_sizes(sizes: ImageSizes) -> dict[str, Any]:
    """The sizes to choose from, or the bounds of their sides in pixels."""
    if sizes.only:
        return {"default": sizes.default, "only": sizes.only}
    return {
        "default": sizes.default,
        "smallest_side": sizes.smallest,
        "largest_side": sizes.largest,
        "multiple_of": sizes.multiple,
    }


def _parameters(capabilities: Collection[str]) -> list[str]:
    return sorted({name for capability in capabilities for name in PARAMETERS.get(capability, ())})


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
