"""What a request asks for, in the words of the steps that follow."""

from typing import Any

from inference.api.schemas import problems
from inference.api.schemas.chat.fields import AllowedTools, ChatRequest, Message, MessageCall
from inference.api.schemas.effort import effort_variables
from inference.api.schemas.sampling import choice_count, sampling, stops
from inference.api.schemas.tools import json_object, structure_of, tool_of, tooling_of
from inference.conversation import Conversation, Picture, Tooling
from inference.generation import Structure
from inference.json_schema import CHECK_MS_PER_BYTE, STRICT_MS_PER_BYTE


def conversation_of(request: ChatRequest) -> Conversation:
    """What is asked for. Raises InvalidRequest for tools and schemas that cannot be taken."""
    messages, pictures = template_messages(request)
    return Conversation(
        messages=messages,
        sampling=sampling(request),
        variables=template_variables(request),
        output_limit=output_limit(request),
        n=choice_count(request),
        stop=stops(request),
        top_logprobs=wanted_logprobs(request),
        tooling=_tooling(request),
        structure=_structure(request),
        pictures=pictures,
    )


def output_limit(request: ChatRequest) -> int | None:
    """The most tokens that the client wants in each choice; None: it names no limit."""
    return request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens


def wanted_logprobs(request: ChatRequest) -> int | None:
    """None: no logprobs; otherwise of how many alternatives beside the chosen token."""
    return (request.top_logprobs or 0) if request.logprobs else None


def _tooling(request: ChatRequest) -> Tooling | None:
    paths = [f"tools[{index}].function" for index in range(len(request.tools or ()))]
    tools = [
        tool_of(tool.function, path)
        for tool, path in zip(request.tools or (), paths, strict=True)
        if tool.function is not None
    ]
    choice = request.tool_choice
    mode: str | None = None
    names: dict[str, str] | None = None
    if isinstance(choice, str):
        mode = choice
    elif choice is not None and choice.function is not None and choice.type == "function":
        mode, names = "function", {choice.function.name: "tool_choice.function.name"}
    elif choice is not None and choice.allowed_tools is not None:
        mode, names = choice.allowed_tools.mode, _allowed(choice.allowed_tools)
    return tooling_of(tools, paths=paths, mode=mode, names=names, parallel=request.parallel_tool_calls)


def _allowed(allowed: AllowedTools) -> dict[str, str]:
    return {
        tool.function.name: f"tool_choice.allowed_tools.tools[{index}].function.name"
        for index, tool in enumerate(allowed.tools)
        if tool.function is not None
    }


def _structure(request: ChatRequest) -> Structure | None:
    wanted = request.response_format
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object" or wanted.json_schema is None:
        return Structure()
    found = wanted.json_schema
    return structure_of(found.schema, "response_format.json_schema.schema", strict=bool(found.strict))


def template_messages(request: ChatRequest) -> tuple[list[dict[str, Any]], tuple[Picture, ...]]:
    """The conversation as plain dicts for the chat template, and the pictures in it.

    Every content is a string, but that of a message with images. Raises InvalidRequest.
    """
    messages = []
    pictures: list[Picture] = []
    # By id, the functions that were called: a template may want to know whose a result is.
    called: dict[str, str] = {}
    for index, message in enumerate(request.messages):
        plain: dict[str, Any] = {"role": message.role, "content": _content(message, index, pictures)}
        if message.name is not None:
            plain["name"] = message.name
        if message.role == "assistant" and isinstance(thought := message.reasoning_content or message.reasoning, str):
            plain["reasoning_content"] = thought
        if message.role == "assistant" and message.tool_calls:
            plain["tool_calls"] = [
                _call(call, f"messages[{index}].tool_calls[{position}]")
                for position, call in enumerate(message.tool_calls)
            ]
            called.update((call["id"], call["function"]["name"]) for call in plain["tool_calls"])
        elif message.role == "tool" and message.tool_call_id is not None:
            plain["tool_call_id"] = message.tool_call_id
            if (name := called.get(message.tool_call_id)) is not None:
                plain.setdefault("name", name)
        messages.append(plain)
    return messages, tuple(pictures)


def _call(call: MessageCall, path: str) -> dict[str, Any]:
    function = call.function
    assert function is not None  # noqa: S101 - it was checked
    # Some clients write no arguments as no text.
    arguments = json_object(function.arguments) if function.arguments.strip() else {}
    if arguments is None:
        param = f"{path}.function.arguments"
        raise problems.invalid_value(param, f"Invalid '{param}': expected a JSON object as a string.")
    return {"id": call.id, "type": "function", "function": {"name": function.name, "arguments": arguments}}


def _content(message: Message, index: int, pictures: list[Picture]) -> str | list[dict[str, Any]]:
    """A message's text, or its parts where images are among them; these are added to `pictures`.

    Text parts are blocks of their own, so a line each, as vLLM joins them.
    """
    content = message.content
    if isinstance(content, str):
        return content
    if content is None:
        return message.refusal or ""
    if all(part.type != "image_url" for part in content):
        return "\n".join(part.text or part.refusal or "" for part in content)
    parts: list[dict[str, Any]] = []
    for position, part in enumerate(content):
        if part.type == "image_url" and part.image_url is not None:
            pictures.append(Picture(part.image_url.url, f"messages[{index}].content[{position}].image_url"))
            parts.append({"type": "image"})
        else:
            parts.append({"type": "text", "text": part.text or ""})
    return parts


def conversion_ms(request: ChatRequest, body_bytes: int) -> float:
    """Milliseconds that `conversation_of` takes at most, for a body of so many bytes, and a look at each token id."""
    named = (request.logit_bias, request.allowed_token_ids, request.stop_token_ids)
    milliseconds = len(request.messages) * 2e-4 + sum(len(ids) for ids in named if ids) * 5e-5
    found = None if request.response_format is None else request.response_format.json_schema
    strict = bool(found and found.strict) or any(tool.function and tool.function.strict for tool in request.tools or ())
    if request.tools or found is not None:
        milliseconds += body_bytes * (STRICT_MS_PER_BYTE if strict else CHECK_MS_PER_BYTE)
    return milliseconds


def template_variables(request: ChatRequest) -> dict[str, Any]:
    """What the client passes to the chat template beside the messages."""
    return {**effort_variables(request.reasoning_effort), **(request.chat_template_kwargs or {})}
