"""Chat completions as they leave us: chunks of a stream, or one body."""

from collections.abc import Iterable, Sequence
from typing import Any, TypedDict

from inference.generation import (
    ChosenToken,
    Event,
    Finish,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCalled,
    Usage,
)
from inference.transcript import Choice
from inference.wire import sse
from inference.wire.texts import clean, encode, finite, json_text, usage_object

# No tier is offered beside it; the answer names the tier that served the request, whatever was asked.
SERVICE_TIER = "default"


class Description(TypedDict):
    """What every form of an answer says of itself: `created` is Unix seconds, `model` as the client is to see it,
    `logprobs` whether it asked for them."""

    request_id: str
    created: int
    model: str
    logprobs: bool


class ChatEncoder:
    """Writes the answer to one request.

    A chunk differs from the one before it in its text alone, so the rest is encoded once per request and choice.
    """

    def __init__(
        self,
        *,
        request_id: str,
        created: int,
        model: str,
        n: int = 1,
        include_usage: bool = False,
        logprobs: bool = False,
        system_fingerprint: str | None = None,
    ) -> None:
        """`created` in Unix seconds; `model` as the client is to see it; `logprobs`: whether it asked for them."""
        self._logprobs = logprobs
        head = _head("chat.completion.chunk", request_id, created, model, system_fingerprint)
        self._opening = b"data: " + encode(head)[:-1] + b',"choices":['
        self._closing = b'],"usage":null}\n\n' if include_usage else b"]}\n\n"
        self._begins = [b'%b{"index":%d,"delta":' % (self._opening, index) for index in range(n)]
        self._texts = [begin + b'{"content":' for begin in self._begins]
        self._thoughts = [begin + b'{"reasoning":' for begin in self._begins]
        self._no_tokens = encode(_logprobs(())) if logprobs else b"null"
        self._text_end = b'},"logprobs":' + self._no_tokens + b',"finish_reason":null}' + self._closing
        self._started = [False] * n
        self._finished = [False] * n
        self._calls = [0] * n
        self._include_usage = include_usage
        self._usage = Usage(0, 0)

    def frame(self, event: Event) -> bytes:
        """The frames that an event comes to, empty where it comes to none; the last choice's end ends the stream."""
        kind = type(event)
        if kind is TextDelta:
            return self.chunk(event)  # type: ignore[arg-type]
        if kind is ReasoningDelta:
            return self.thought(event)  # type: ignore[arg-type]
        if isinstance(event, Usage):
            self._usage = event
        elif isinstance(event, ToolCalled):
            return self.call(event)
        elif isinstance(event, Finish):
            end = self.finish(event.index, event.reason)
            if not all(self._finished):
                return end
            return end + (self.usage(self._usage) if self._include_usage else b"") + DONE
        return b""

    def chunk(self, event: TextDelta) -> bytes:
        """The frames for more text, with the one that names the role before a choice's first.

        Empty when there is nothing to send: no text and no logprobs, or a choice that has ended.
        """
        index, text = event.index, event.text
        tokens = event.logprobs if self._logprobs else None
        if self._finished[index] or not (text or tokens):
            return b""
        role = b"" if self._started[index] else self._role(index)
        head = role + self._texts[index] + json_text(text)
        if not tokens:
            return head + self._text_end
        return head + b'},"logprobs":' + encode(_logprobs(tokens)) + b',"finish_reason":null}' + self._closing

    def thought(self, event: ReasoningDelta) -> bytes:
        """The same for more of what the model thinks.

        Under both names that clients look for: vLLM's `reasoning`, and DeepSeek's `reasoning_content`.
        """
        index, text = event.index, event.text
        if self._finished[index] or not text:
            return b""
        role = b"" if self._started[index] else self._role(index)
        json = json_text(text)
        return role + self._thoughts[index] + json + b',"reasoning_content":' + json + self._text_end

    def call(self, event: ToolCalled) -> bytes:
        """The frame for a call of a tool, whole; before a choice's first text the role comes without content."""
        index = event.index
        if self._finished[index]:
            return b""
        role = b"" if self._started[index] else self._role(index, content=b"null")
        position = self._calls[index]
        self._calls[index] += 1
        call = encode({"tool_calls": [{"index": position, **call_object(event)}]})
        return role + self._begins[index] + call[:-1] + self._text_end

    def finish(self, index: int, reason: str) -> bytes:
        """The last frame of a choice; empty if it has ended already."""
        if self._finished[index]:
            return b""
        role = b"" if self._started[index] else self._role(index)
        self._finished[index] = True
        end = b'{},"logprobs":' + self._no_tokens + b',"finish_reason":' + encode(reason) + b"}"
        return role + self._begins[index] + end + self._closing

    def usage(self, usage: Usage) -> bytes:
        """The frame after all choices for a client that asked for include_usage."""
        return self._opening + b'],"usage":' + encode(usage_object(usage)) + b"}\n\n"

    def unfinished(self) -> list[int]:
        """The choices without an end: a stream must not close cleanly while there are any."""
        return [index for index, finished in enumerate(self._finished) if not finished]

    def _role(self, index: int, *, content: bytes = b'""') -> bytes:
        self._started[index] = True
        return self._begins[index] + b'{"role":"assistant","content":' + content + self._text_end


def completion(
    choices: Iterable[Choice],
    usage: Usage,
    *,
    request_id: str,
    created: int,
    model: str,
    logprobs: bool = False,
    system_fingerprint: str | None = None,
) -> bytes:
    """The whole answer as one JSON body; arguments as of `ChatEncoder`."""
    body = {
        **_head("chat.completion", request_id, created, model, system_fingerprint),
        "choices": [_choice(choice, logprobs=logprobs) for choice in choices],
        "usage": usage_object(usage),
    }
    return encode(body)


def _head(kind: str, request_id: str, created: int, model: str, system_fingerprint: str | None) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{request_id}",
        "object": kind,
        "created": created,
        "model": model,
        "service_tier": SERVICE_TIER,
        "system_fingerprint": system_fingerprint,
    }


def _choice(choice: Choice, *, logprobs: bool) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": clean(choice.text), "refusal": None, "annotations": []}
    if choice.reasoning:
        message["reasoning"] = message["reasoning_content"] = clean(choice.reasoning)
        # It may have come to its end before its answer began.
        message["content"] = message["content"] or None
    if choice.calls:
        message["content"] = message["content"] or None
        message["tool_calls"] = [call_object(call) for call in choice.calls]
    return {
        "index": choice.index,
        "message": message,
        "logprobs": _logprobs(choice.logprobs) if logprobs else None,
        "finish_reason": choice.finish_reason,
    }


def call_object(call: ToolCalled) -> dict[str, Any]:
    """OpenAI's object of a call."""
    function = {"name": clean(call.name), "arguments": clean(call.arguments)}
    return {"id": call.call_id, "type": "function", "function": function}


DONE = sse.DONE


def _logprobs(tokens: Sequence[ChosenToken]) -> dict[str, Any]:
    content = [{**_token(token), "top_logprobs": [_token(other) for other in token.top]} for token in tokens]
    return {"content": content, "refusal": None}


def _token(token: ChosenToken | TokenLogprob) -> dict[str, Any]:
    text = token.token
    try:
        known = list(text.encode())
    except UnicodeEncodeError:
        text = clean(text)
        known = list(text.encode())
    return {
        "token": text,
        "logprob": finite(token.logprob),
        # A token that is part of a character reaches us as the replacement character: its bytes are not known.
        "bytes": None if "\ufffd" in text else known,
    }
