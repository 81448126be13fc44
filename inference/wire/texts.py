"""What the answers of all endpoints for text have in common on the wire."""

from typing import Any

import msgspec

from inference.generation import Usage

# JSON knows no infinity; OpenAI writes this for what is next to impossible.
LEAST_LOGPROB = -9999.0

encode = msgspec.json.Encoder().encode


def json_text(text: str) -> bytes:
    """`text` as a JSON string."""
    try:
        return encode(text)
    except UnicodeEncodeError:
        return encode(clean(text))


def clean(text: str) -> str:
    """Without lone surrogates, which an engine can write as escapes and which are no text."""
    return text.encode("utf-8", "replace").decode("utf-8")


def finite(logprob: float) -> float:
    """A logprob that JSON can hold; NaN compares false with everything and becomes the least, too."""
    return logprob if logprob > LEAST_LOGPROB else LEAST_LOGPROB


def usage_object(usage: Usage) -> dict[str, Any]:
    """OpenAI's object of what a request took."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
