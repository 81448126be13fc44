"""What a request asks for, in the words of the steps that follow."""

from typing import Any

from inference.api.schemas.chat.fields import ChatRequest, Message
from inference.api.schemas.effort import effort_variables
from inference.api.schemas.sampling import choice_count, sampling, stops
from inference.conversation import Conversation


def conversation_of(request: ChatRequest) -> Conversation:
    """What is asked for."""
    return Conversation(
        messages=template_messages(request),
        sampling=sampling(request),
        variables=template_variables(request),
        output_limit=output_limit(request),
        n=choice_count(request),
        stop=stops(request),
        top_logprobs=wanted_logprobs(request),
    )


def output_limit(request: ChatRequest) -> int | None:
    """The most tokens that the client wants in each choice; None: it names no limit."""
    return request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens


def wanted_logprobs(request: ChatRequest) -> int | None:
    """None: no logprobs; otherwise of how many alternatives beside the chosen token."""
    return (request.top_logprobs or 0) if request.logprobs else None


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


def conversion_ms(request: ChatRequest) -> float:
    """Milliseconds that `conversation_of` takes at most, and a look at each token id that is named."""
    named = (request.logit_bias, request.allowed_token_ids, request.stop_token_ids)
    return len(request.messages) * 2e-4 + sum(len(ids) for ids in named if ids) * 5e-5


def template_variables(request: ChatRequest) -> dict[str, Any]:
    """What the client passes to the chat template beside the messages."""
    return {**effort_variables(request.reasoning_effort), **(request.chat_template_kwargs or {})}
