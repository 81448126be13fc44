"""The body of `POST /v1/responses`.

Every field of OpenAI's request works, is accepted because it changes nothing in the answer, or is refused by name;
fields that nobody knows are accepted, since clients send them on every turn. null means absent. What needs something
stored is refused: see `docs/responses.md`.
"""

from inference.api.schemas.responses.checks import decode_input, decode_response
from inference.api.schemas.responses.echo import echo_of
from inference.api.schemas.responses.fields import InputRequest, ResponsesRequest
from inference.api.schemas.responses.meaning import LOGPROBS, SEALED_REASONING, Asking, asking_of, conversion_ms, wants

__all__ = [
    "LOGPROBS",
    "SEALED_REASONING",
    "Asking",
    "InputRequest",
    "ResponsesRequest",
    "asking_of",
    "conversion_ms",
    "decode_input",
    "decode_response",
    "echo_of",
    "wants",
]
