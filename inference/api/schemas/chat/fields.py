"""The fields of a chat completion request, with what each takes by itself."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from inference.api.schemas.effort import Effort
from inference.api.schemas.sampling import Count, SamplingFields
from inference.api.schemas.tools import MOST_TOOLS, Function

# OpenAI's own pattern. It also keeps a name from completing a special token together with the text that follows it.
Name = Annotated[str, Meta(pattern=r"^[^\s<|\\/>]+\Z", max_length=64)]
MetadataKey = Annotated[str, Meta(max_length=64)]
MetadataValue = Annotated[str, Meta(max_length=512)]


class ImageUrl(Struct, gc=False):
    """Where an image is: a `data:` or `https:` URL. Engines decide themselves how closely they look (`detail`)."""

    url: str
    detail: Literal["auto", "low", "high"] | None = None


class Part(Struct, gc=False):
    """A piece of a message; which field holds it depends on `type`."""

    type: Literal["text", "image_url", "input_audio", "file", "refusal"]
    text: str | None = None
    refusal: str | None = None
    image_url: ImageUrl | None = None


class CalledFunction(Struct, gc=False):
    """The function of a call; `arguments` is a JSON object as text."""

    name: str
    arguments: str


class MessageCall(Struct, gc=False):
    """A call that the assistant made."""

    id: str
    type: str
    function: CalledFunction | None = None


class Message(Struct, gc=False):
    """One turn of the conversation."""

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: str | Annotated[list[Part], Meta(min_length=1)] | None = None
    name: Name | None = None
    refusal: str | None = None
    tool_calls: list[MessageCall] | None = None
    tool_call_id: str | None = None
    # What the assistant thought, under either name that answers have it; of any other type it is nothing to us.
    reasoning_content: Any = None
    reasoning: Any = None
    function_call: Any = None
    audio: Any = None


class OfferedTool(Struct, gc=False):
    """A tool that the model may call."""

    type: str
    function: Function | None = None


class NamedFunction(Struct, gc=False):
    """A function by its name."""

    name: str


class NamedTool(Struct, gc=False):
    """A tool that is offered, by its function's name."""

    type: str
    function: NamedFunction | None = None


class AllowedTools(Struct, gc=False):
    """Those of the tools that may be called now."""

    mode: Literal["auto", "required"]
    tools: list[NamedTool]


class ToolChoice(Struct, gc=False):
    """One function that is to be called, or several of which the model may choose."""

    type: Literal["function", "allowed_tools", "custom"]
    function: NamedFunction | None = None
    allowed_tools: AllowedTools | None = None


class JsonSchemaFormat(Struct, gc=False):
    """A JSON Schema that the answer is to conform to. Its name and description do not reach the model."""

    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]+\Z", min_length=1, max_length=64)]
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class ResponseFormat(Struct, gc=False):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaFormat | None = None


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

    tools: Annotated[list[OfferedTool], Meta(max_length=MOST_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None

    # Accepted without effect: labels, and hints about caching and speed.
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

    # Harmless in one form, refused in any other.
    functions: list[Any] | None = None
    function_call: Literal["none", "auto"] | dict[str, Any] | None = None
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
