"""The answers of `/v1/completions`."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from inference.api.answers.text import TokenUsage


class TextLogprobs(Struct):
    """How likely the tokens were: four arrays of one length; offsets are characters."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class TextChoice(Struct):
    """One of the answers."""

    index: int
    text: str
    logprobs: TextLogprobs | None
    finish_reason: Literal["stop", "length", "content_filter"]


class TextCompletion(Struct):
    """A completion."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    system_fingerprint: str | None
    choices: list[TextChoice]
    usage: TokenUsage


class TextChunkChoice(Struct):
    """More of one of the answers."""

    index: int
    text: str
    logprobs: TextLogprobs | None
    finish_reason: Literal["stop", "length", "content_filter"] | None


class TextChunk(Struct):
    """An event of a stream; with `include_usage`, the last one holds no choices and the usage."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    system_fingerprint: str | None
    choices: list[TextChunkChoice]
    usage: TokenUsage | UnsetType | None = UNSET
