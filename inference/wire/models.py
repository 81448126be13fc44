"""The objects of `/v1/models`."""

from collections.abc import Sequence
from datetime import date
from typing import Any


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
    capabilities: Sequence[str] = (),
    description: str = "",
    hugging_face_repository: str = "",
    aliases: Sequence[str] = (),
    deprecated_on: date | None = None,
    retires_on: date | None = None,
    replacement: str | None = None,
) -> dict[str, Any]:
    """OpenAI's model object with what an agent needs to know beside it; `created` in Unix seconds, sizes in tokens.

    A size that is not known is left out: a client would take 0 for a limit.
    """
    sizes = {
        "max_model_len": context_length,
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
        "class": model_class,
        "input_modalities": list(input_modalities),
        "output_modalities": list(output_modalities),
        "capabilities": list(capabilities),
        "lifecycle": lifecycle,
        "deprecation_date": _iso(deprecated_on),
        "replacement": replacement,
        "description": description or None,
        "hugging_face_repository": hugging_face_repository or None,
        "aliases": list(aliases),
    }


def model_list(models: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The list of model objects."""
    return {"object": "list", "data": list(models)}


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
