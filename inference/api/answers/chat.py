"""The answers of `/v1/chat/completions`."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from inference.api.answers.text import FunctionCalled, FunctionToCall, Logprobs, TokenUsage

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class ChatAnswer(Struct):
    """What the assistant says, with what it thought where the model thinks, under two names."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    annotations: list[Any]
    reasoning: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[FunctionToCall] | UnsetType = UNSET


class ChatChoice(Struct):
    """One of the answers."""

    index: int
    message: ChatAnswer
    logprobs: Logprobs | None
    finish_reason: FinishReason


class ChatCompletion(Struct):
    """A chat completion."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    service_tier: Literal["default"]
    system_fingerprint: str | None
    choices: list[ChatChoice]
    usage: TokenUsage


class CallDelta(Struct):
    """A function that the client is to call; `index` counts those of one answer."""

    index: int
    id: str
    type: Literal["function"]
    function: FunctionCalled


class ChatDelta(Struct):
    """What is new."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    reasoning: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[CallDelta] | UnsetType = UNSET


class ChatChunkChoice(Struct):
    """More of one of the answers."""

    index: int
    delta: ChatDelta
    logprobs: Logprobs | None
    finish_reason: FinishReason | None


class ChatChunk(Struct):
    """An event of a stream; with `include_usage`, the last one holds no choices and the usage."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    service_tier: Literal["default"]
    system_fingerprint: str | None
    choices: list[ChatChunkChoice]
    usage: TokenUsage | UnsetType | None = UNSET
