"""The fields of a chat completion request, with what each takes by itself."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from inference.api.schemas.effort import Effort
from inference.api.schemas.sampling import Count, SamplingFields

# OpenAI's own pattern. It also keeps a name from completing a special token together with the text that follows it.
Name = Annotated[str, Meta(pattern=r"^[^\s<|\\/>]+\Z", max_length=64)]
MetadataKey = Annotated[str, Meta(max_length=64)]
MetadataValue = Annotated[str, Meta(max_length=512)]


class Part(Struct, gc=False):
    """A piece of a message; which field holds it depends on `type`."""

    type: Literal["text", "image_url", "input_audio", "file", "refusal"]
    text: str | None = None
    refusal: str | None = None


class Message(Struct, gc=False):
    """One turn of the conversation."""

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: str | Annotated[list[Part], Meta(min_length=1)] | None = None
    name: Name | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None
    function_call: Any = None
    audio: Any = None


class ResponseFormat(Struct, gc=False):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]


class ChatRequest(SamplingFields, gc=False, kw_only=True):
    """A chat completion as the client asks for it."""

    model: str
    messages: Annotated[list[Message], Meta(min_length=1)]

    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    reasoning_effort: Effort | None = None
    # vLLM's.
    chat_template_kwargs: dict[str, Any] | None = None

    # Accepted without effect: labels, hints about caching and speed, and what only matters with tools.
    user: str | None = None
    safety_identifier: Annotated[str, Meta(max_length=128)] | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Meta(max_length=16)] | None = None
    store: bool | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    parallel_tool_calls: bool | None = None

    # Harmless in one form, refused in any other.
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    function_call: Literal["none", "auto"] | dict[str, Any] | None = None
    response_format: ResponseFormat | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    echo: bool | None = None
    use_beam_search: bool | None = None

    # Refused.
    audio: Any = None
    web_search_options: Any = None
    moderation: Any = None
    chat_template: Any = None
    documents: Any = None
    guided_json: Any = None
    guided_regex: Any = None
    guided_choice: Any = None
    guided_grammar: Any = None
    structured_outputs: Any = None
    prompt_logprobs: Any = None
    structural_tag: Any = None
    truncate_prompt_tokens: Any = None
    thinking_token_budget: Any = None
    logits_processors: Any = None
    length_penalty: Any = None
    best_of: Any = None
