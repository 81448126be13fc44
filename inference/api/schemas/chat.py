"""The body of `POST /v1/chat/completions`.

Every field of OpenAI's request works, is accepted because it changes nothing in the answer, or is refused by name;
fields that nobody knows are accepted, since clients send them on every turn. null means absent. Text only: tools,
images, audio and structured output are refused.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from inference.api.schemas import problems
from inference.api.schemas.decoding import decode
from inference.chat_template import RESERVED_VARIABLES
from inference.generation import Sampling

Count = Annotated[int, Meta(ge=1)]
TokenId = Annotated[int, Meta(ge=0)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Bias = Annotated[float, Meta(ge=-100, le=100)]
# OpenAI's own pattern. It also keeps a name from completing a special token together with the text that follows it.
Name = Annotated[str, Meta(pattern=r"^[^\s<|\\/>]+\Z", max_length=64)]
MetadataKey = Annotated[str, Meta(max_length=64)]
MetadataValue = Annotated[str, Meta(max_length=512)]

ROLES_OF_TOOLS = ("tool", "function")


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


class StreamOptions(Struct, gc=False):
    """Extras of a stream. Obfuscation is padding that we never send."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ResponseFormat(Struct, gc=False):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]


class ChatRequest(Struct, gc=False, kw_only=True):
    """A chat completion as the client asks for it."""

    model: str
    messages: Annotated[list[Message], Meta(min_length=1)]

    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_completion_tokens: Count | None = None
    max_tokens: Count | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    logit_bias: dict[TokenId, Bias] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None

    # vLLM's extra fields.
    top_k: Annotated[int, Meta(ge=-1)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=2)] | None = None
    min_tokens: Annotated[int, Meta(ge=0)] | None = None
    stop_token_ids: list[TokenId] | None = None
    ignore_eos: bool | None = None
    skip_special_tokens: bool | None = None
    include_stop_str_in_output: bool | None = None
    bad_words: list[Annotated[str, Meta(min_length=1)]] | None = None
    allowed_token_ids: Annotated[list[TokenId], Meta(min_length=1)] | None = None
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


REFUSED = (
    "audio",
    "web_search_options",
    "moderation",
    "chat_template",
    "documents",
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "structured_outputs",
    "prompt_logprobs",
    "structural_tag",
    "truncate_prompt_tokens",
    "thinking_token_budget",
    "logits_processors",
    "length_penalty",
    "best_of",
)
REFUSED_UNLESS_EMPTY = ("tools", "functions", "continue_final_message", "echo", "use_beam_search")


def decode_chat(body: bytes) -> ChatRequest:
    """The request in a body. Raises InvalidRequest, whose `param` is the path of the first field found wrong."""
    request = decode(body, ChatRequest)
    _refuse_unsupported(request)
    _check_combinations(request)
    for index, message in enumerate(request.messages):
        _check_message(message, index)
    return request


def _refuse_unsupported(request: ChatRequest) -> None:
    """Raises for a field that would change the answer, if only we could."""
    for field in REFUSED:
        if getattr(request, field) is not None:
            raise problems.unsupported(field)
    for field in REFUSED_UNLESS_EMPTY:
        if getattr(request, field):
            raise problems.unsupported(field)
    if request.tool_choice not in (None, "none", "auto"):
        raise problems.unsupported("tool_choice")
    if request.function_call not in (None, "none", "auto"):
        raise problems.unsupported("function_call")
    if request.response_format is not None and request.response_format.type != "text":
        raise problems.unsupported("response_format")
    if request.modalities and "audio" in request.modalities:
        raise problems.unsupported("modalities")
    if request.add_generation_prompt is False:
        raise problems.unsupported("add_generation_prompt")


def _check_combinations(request: ChatRequest) -> None:
    """Raises for fields that are fine alone and wrong together."""
    if request.stream_options is not None and not request.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise problems.invalid_value("stream_options", message)
    if request.top_logprobs and not request.logprobs:
        message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled."
        raise problems.invalid_value("top_logprobs", message)
    limit = output_limit(request)
    if request.min_tokens and limit is not None and request.min_tokens > limit:
        raise problems.invalid_value("min_tokens", "Invalid 'min_tokens': more than the most tokens of the answer.")
    if request.chat_template_kwargs and not RESERVED_VARIABLES.isdisjoint(request.chat_template_kwargs):
        reserved = sorted(RESERVED_VARIABLES.intersection(request.chat_template_kwargs))
        message = f"Invalid 'chat_template_kwargs': these names are reserved: {', '.join(reserved)}."
        raise problems.invalid_value("chat_template_kwargs", message)


def _check_message(message: Message, index: int) -> None:
    """Raises for a message that is not plain text, or lacks it."""
    role, content = message.role, message.content
    if role in ROLES_OF_TOOLS:
        raise problems.unsupported(f"messages[{index}].role")
    if role == "assistant":
        if message.tool_calls:
            raise problems.unsupported(f"messages[{index}].tool_calls")
        if message.function_call is not None:
            raise problems.unsupported(f"messages[{index}].function_call")
        if message.audio is not None:
            raise problems.unsupported(f"messages[{index}].audio")
    elif content is None:
        raise problems.missing(f"messages[{index}].content")
    if isinstance(content, list):
        for position, part in enumerate(content):
            _check_part(part, role, f"messages[{index}].content[{position}]")


def _check_part(part: Part, role: str, path: str) -> None:
    if part.type == "text":
        if part.text is None:
            raise problems.missing(f"{path}.text")
    elif part.type == "refusal" and role == "assistant":
        if part.refusal is None:
            raise problems.missing(f"{path}.refusal")
    elif part.type != "refusal" and role == "user":
        raise problems.unsupported(f"{path}.type")
    else:
        supported = ("text", "refusal") if role == "assistant" else ("text",)
        raise problems.wrong_value(f"{path}.type", supported)


def output_limit(request: ChatRequest) -> int | None:
    """The most tokens that the client wants in each choice; None: it names no limit."""
    return request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens


def choice_count(request: ChatRequest) -> int:
    """How many answers the client wants."""
    return request.n or 1


def stops(request: ChatRequest) -> tuple[str, ...]:
    """The texts at which an answer ends; empty ones, which no engine takes, mean nothing and are left out."""
    stop = request.stop
    if not stop:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(text for text in stop if text)


def wanted_logprobs(request: ChatRequest) -> int | None:
    """None: no logprobs; otherwise of how many alternatives beside the chosen token."""
    return (request.top_logprobs or 0) if request.logprobs else None


def wants_usage(request: ChatRequest) -> bool:
    """Whether a stream ends with the usage."""
    return request.stream_options is not None and bool(request.stream_options.include_usage)


def sampling(request: ChatRequest) -> Sampling:
    """How tokens are to be chosen."""
    return Sampling(
        temperature=request.temperature,
        top_p=request.top_p,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        seed=request.seed,
        logit_bias=request.logit_bias or None,
        top_k=request.top_k,
        min_p=request.min_p,
        repetition_penalty=request.repetition_penalty,
        min_tokens=request.min_tokens,
        stop_token_ids=tuple(request.stop_token_ids or ()),
        ignore_eos=request.ignore_eos,
        skip_special_tokens=request.skip_special_tokens,
        include_stop_str_in_output=request.include_stop_str_in_output,
        bad_words=tuple(request.bad_words or ()),
        allowed_token_ids=tuple(request.allowed_token_ids or ()),
    )


def template_messages(request: ChatRequest) -> list[dict[str, Any]]:
    """The conversation as plain dicts for the chat template, every content a string."""
    messages = []
    for message in request.messages:
        plain: dict[str, Any] = {"role": message.role, "content": _text(message)}
        if message.name is not None:
            plain["name"] = message.name
        messages.append(plain)
    return messages


def _text(message: Message) -> str:
    """A message's text; parts are blocks of their own, so a line each, as vLLM joins them."""
    content = message.content
    if isinstance(content, str):
        return content
    if content is None:
        return message.refusal or ""
    return "\n".join(part.text or part.refusal or "" for part in content)


def template_variables(request: ChatRequest) -> dict[str, Any]:
    """What the client passes to the chat template beside the messages."""
    variables = dict(request.chat_template_kwargs or ())
    if request.reasoning_effort is not None:
        variables.setdefault("reasoning_effort", request.reasoning_effort)
    return variables
