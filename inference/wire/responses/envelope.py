"""The response object around what a model answered."""

from typing import Any

from msgspec import Struct

from inference.generation import Usage
from inference.wire.texts import encode


class Parts(Struct, kw_only=True):
    """What of a response changes while it runs, as JSON; the rest is the same in each event that has it whole."""

    status: str
    output: bytes = b"[]"
    usage: bytes = b"null"
    completed_at: int | None = None
    error: bytes = b"null"
    incomplete_details: bytes = b"null"


class Envelope:
    """One response; what it repeats of its request may be large, and is encoded once."""

    def __init__(self, *, request_id: str, created: int, model: str, echo: dict[str, Any]) -> None:
        """`created` in Unix seconds; `model` as the client is to see it; `echo`: the keys that repeat the request."""
        head = {"id": f"resp_{request_id}", "object": "response", "created_at": created, "model": model}
        self._constant = encode({**head, **echo})[:-1]

    def response(self, parts: Parts) -> bytes:
        """The whole object."""
        return b'%b,"status":"%b","completed_at":%b,"error":%b,"incomplete_details":%b,"output":%b,"usage":%b}' % (
            self._constant,
            parts.status.encode(),
            b"null" if parts.completed_at is None else b"%d" % parts.completed_at,
            parts.error,
            parts.incomplete_details,
            parts.output,
            parts.usage,
        )


def usage_object(usage: Usage) -> bytes:
    """What a response took, as JSON."""
    return encode(
        {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {"cached_tokens": usage.cached_input_tokens, "cache_write_tokens": 0},
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
            "total_tokens": usage.input_tokens + usage.output_tokens,
        }
    )


def input_tokens_object(tokens: int) -> bytes:
    """How many tokens a request's input has."""
    return encode({"object": "response.input_tokens", "input_tokens": tokens})
