"""Ranked documents as they leave us: one answer that the clients of Jina and of both forms of Cohere read."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

# What Cohere counts as one search: a query with so many documents.
DOCUMENTS_PER_SEARCH = 100
MS_PER_RESULT = 5e-4
MS_PER_CHARACTER = 5e-6

_encode = msgspec.json.Encoder().encode


class Ranked(Struct, frozen=True):
    """A document's place in the request, its score and what of it goes back, if anything."""

    index: int
    score: float
    document: dict[str, Any] | None


def encoding_ms(ranked: Sequence[Ranked], characters: int) -> float:
    """What `rerank_body` takes at most, with documents of so many characters."""
    return len(ranked) * MS_PER_RESULT + characters * MS_PER_CHARACTER


def rerank_body(
    ranked: Sequence[Ranked], *, request_id: str, model: str, tokens: int, documents: int, version: str
) -> bytes:
    """The whole answer; `ranked` best first, of so many `documents`.

    A document that does not go back is left out: clients ask whether it is there, and read its text if it is.
    """
    results = []
    for one in ranked:
        result: dict[str, Any] = {"index": one.index, "relevance_score": one.score}
        if one.document is not None:
            result["document"] = one.document
        results.append(result)
    return _encode(
        {
            "id": request_id,
            "object": "list",
            "model": model,
            "results": results,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            "meta": {
                "api_version": {"version": version},
                "billed_units": {"search_units": -(-documents // DOCUMENTS_PER_SEARCH)},
            },
        }
    )
