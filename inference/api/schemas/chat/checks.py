"""From a body to a request that can be carried out: what decoding alone does not see is checked here."""

from operator import attrgetter

from inference.api.schemas import problems
from inference.api.schemas.chat.fields import (
    ChatRequest,
    Message,
    MessageCall,
    NamedTool,
    OfferedTool,
    Part,
    ToolChoice,
)
from inference.api.schemas.chat.meaning import output_limit
from inference.api.schemas.decoding import decode
from inference.api.schemas.sampling import check_sampling
from inference.chat_template import RESERVED_VARIABLES

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
refused_values = attrgetter(*REFUSED)
NO_VALUES = (None,) * len(REFUSED)
REFUSED_UNLESS_EMPTY = ("functions", "continue_final_message", "echo", "use_beam_search")


def decode_chat(body: bytes) -> ChatRequest:
    """The request in a body. Raises InvalidRequest, whose `param` is the path of the first field found wrong."""
    request = decode(body, ChatRequest)
    _refuse_unsupported(request)
    _check_combinations(request)
    _check_tools(request)
    for index, message in enumerate(request.messages):
        _check_message(message, index)
    return request


def _refuse_unsupported(request: ChatRequest) -> None:
    """Raises for a field that would change the answer, if only we could."""
    values = refused_values(request)
    # One look at all of them, as hardly any request has one.
    if values != NO_VALUES:
        given = (field for field, value in zip(REFUSED, values, strict=True) if value is not None)
        raise problems.unsupported(next(given))
    for field in REFUSED_UNLESS_EMPTY:
        if getattr(request, field):
            raise problems.unsupported(field)
    if request.function_call not in (None, "none", "auto"):
        raise problems.unsupported("function_call")
    if request.modalities and "audio" in request.modalities:
        raise problems.unsupported("modalities")
    if request.add_generation_prompt is False:
        raise problems.unsupported("add_generation_prompt")


def _check_combinations(request: ChatRequest) -> None:
    """Raises for fields that are fine alone and wrong together."""
    check_sampling(request, output_limit(request))
    if request.top_logprobs and not request.logprobs:
        message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled."
        raise problems.invalid_value("top_logprobs", message)
    if request.chat_template_kwargs and not RESERVED_VARIABLES.isdisjoint(request.chat_template_kwargs):
        reserved = sorted(RESERVED_VARIABLES.intersection(request.chat_template_kwargs))
        message = f"Invalid 'chat_template_kwargs': these names are reserved: {', '.join(reserved)}."
        raise problems.invalid_value("chat_template_kwargs", message)


def _check_tools(request: ChatRequest) -> None:
    """Raises for tools that are no functions, and for a choice or a form that lacks what it is about."""
    for index, tool in enumerate(request.tools or ()):
        _check_function(tool, f"tools[{index}]")
    choice = request.tool_choice
    if isinstance(choice, ToolChoice):
        if choice.type == "custom":
            raise problems.unsupported("tool_choice.type")
        if getattr(choice, choice.type) is None:
            raise problems.missing(f"tool_choice.{choice.type}")
        for index, named in enumerate(choice.allowed_tools.tools if choice.allowed_tools else ()):
            _check_function(named, f"tool_choice.allowed_tools.tools[{index}]")
    wanted = request.response_format
    if wanted is not None and wanted.type == "json_schema" and wanted.json_schema is None:
        raise problems.missing("response_format.json_schema")


def _check_function(tool: OfferedTool | NamedTool | MessageCall, path: str) -> None:
    if tool.type == "custom":
        raise problems.unsupported(f"{path}.type")
    if tool.type != "function":
        raise problems.wrong_value(f"{path}.type", ("function",))
    if tool.function is None:
        raise problems.missing(f"{path}.function")


def _check_message(message: Message, index: int) -> None:
    """Raises for a message that lacks what its role needs, or holds what no model here takes."""
    role, content = message.role, message.content
    if role == "function":
        raise problems.unsupported(f"messages[{index}].role")
    if role == "tool" and message.tool_call_id is None:
        raise problems.missing(f"messages[{index}].tool_call_id")
    if role == "assistant":
        for position, call in enumerate(message.tool_calls or ()):
            _check_function(call, f"messages[{index}].tool_calls[{position}]")
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
    elif part.type == "image_url" and role == "user":
        if part.image_url is None:
            raise problems.missing(f"{path}.image_url")
    elif part.type != "refusal" and role == "user":
        raise problems.unsupported(f"{path}.type")
    else:
        supported = ("text", "refusal") if role == "assistant" else ("text",)
        raise problems.wrong_value(f"{path}.type", supported)
