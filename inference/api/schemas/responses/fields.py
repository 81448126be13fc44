"""The fields of a request for a response, with what each takes by itself."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from inference.api.schemas.effort import Effort
from inference.api.schemas.sampling import Count, Penalty, StreamOptions

Label = Annotated[str, Meta(max_length=64)]

# Records of tools that run at OpenAI. No such tool is offered here, so a history that began there goes on without them.
HostedCall = Literal[
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "image_generation_call",
    "mcp_list_tools",
    "mcp_call",
    "mcp_approval_request",
    "mcp_approval_response",
]


class Part(Struct, gc=False):
    """A piece of an item; which field holds it depends on `type`."""

    type: Literal[
        "input_text",
        "output_text",
        "text",
        "refusal",
        "summary_text",
        "reasoning_text",
        "input_image",
        "input_file",
        "input_audio",
    ]
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    file_id: str | None = None
    detail: Literal["auto", "low", "high", "original"] | None = None


class Item(Struct, gc=False):
    """A piece of the conversation; a message where `type` is absent. Ids are not looked up: nothing is stored."""

    type: (
        Literal[
            "message",
            "function_call",
            "function_call_output",
            "custom_tool_call",
            "custom_tool_call_output",
            "reasoning",
            "item_reference",
            HostedCall,
        ]
        | None
    ) = None
    role: Literal["developer", "system", "user", "assistant"] | None = None
    content: str | list[Part] | None = None
    id: str | None = None
    call_id: str | None = None
    name: Annotated[str, Meta(max_length=128)] | None = None
    namespace: Annotated[str, Meta(max_length=128)] | None = None
    arguments: str | None = None
    input: str | None = None
    output: str | list[Part] | None = None
    encrypted_content: str | None = None


class TextFormat(Struct, gc=False):
    """The form of the answer; `name` and `schema` are a JSON Schema's."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class Text(Struct, gc=False):
    """How the answer is to be written."""

    format: TextFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class Reasoning(Struct, gc=False):
    """How the model is to think. Its thoughts come as they are, so that no summary is made of them."""

    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


class InputRequest(Struct, gc=False, kw_only=True):
    """What makes the prompt: common to a response and to counting its input."""

    model: str
    input: str | Annotated[list[Item], Meta(min_length=1)]

    instructions: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: Text | None = None
    reasoning: Reasoning | None = None
    truncation: Literal["auto", "disabled"] | None = None

    # Refused: nothing is stored that they could name.
    previous_response_id: Any = None
    conversation: Any = None
    prompt: Any = None


class ResponsesRequest(InputRequest, gc=False, kw_only=True):
    """A response as the client asks for it."""

    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_output_tokens: Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    # Not OpenAI's, but the Open Responses specification's.
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    # What is known of it takes effect; the rest asks for more of what hosted tools found.
    include: list[str] | None = None

    # Accepted without effect: labels, hints about caching and speed, and limits of hosted tools.
    user: str | None = None
    safety_identifier: Annotated[str, Meta(max_length=128)] | None = None
    metadata: Annotated[dict[Label, Annotated[str, Meta(max_length=512)]], Meta(max_length=16)] | None = None
    store: bool | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"] | None = None
    prompt_cache_key: str | None = None
    max_tool_calls: Count | None = None

    # Refused.
    background: bool | None = None
    moderation: Any = None
