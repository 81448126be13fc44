"""The response object."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from inference.api.answers.responses.items import OutputItem


class FailedBecause(Struct):
    """Why a response failed."""

    code: str
    message: str


class IncompleteBecause(Struct):
    """Why a response is incomplete."""

    reason: Literal["max_output_tokens", "content_filter"]


class ReasoningEcho(Struct):
    """How the model was to think."""

    effort: str | None
    summary: str | None


class FormatEcho(Struct):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    schema: dict[str, Any] | UnsetType | None = UNSET
    strict: bool | UnsetType | None = UNSET


class TextEcho(Struct):
    """How the answer was to be written."""

    format: FormatEcho
    verbosity: str | UnsetType = UNSET


class CachedInput(Struct):
    """What of the input was in the engine's cache."""

    cached_tokens: int
    cache_write_tokens: int


class ThoughtOutput(Struct):
    """What of the output was thought."""

    reasoning_tokens: int


class ResponseUsage(Struct):
    """What was used, as it is billed."""

    input_tokens: int
    input_tokens_details: CachedInput
    output_tokens: int
    output_tokens_details: ThoughtOutput
    total_tokens: int


class Response(Struct):
    """A response; it is stored nowhere."""

    id: str
    object: Literal["response"]
    created_at: int
    model: str
    background: bool
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    parallel_tool_calls: bool
    previous_response_id: None
    prompt_cache_key: str | None
    reasoning: ReasoningEcho
    safety_identifier: str | None
    service_tier: Literal["default"]
    store: bool
    temperature: float
    text: TextEcho
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_logprobs: int
    top_p: float
    presence_penalty: float
    frequency_penalty: float
    truncation: Literal["auto", "disabled"]
    user: str | None
    metadata: dict[str, str]
    status: Literal["in_progress", "completed", "incomplete", "failed"]
    completed_at: int | None
    error: FailedBecause | None
    incomplete_details: IncompleteBecause | None
    output: list[OutputItem]
    usage: ResponseUsage | None


class InputTokens(Struct):
    """How many tokens the input has."""

    object: Literal["response.input_tokens"]
    input_tokens: int
