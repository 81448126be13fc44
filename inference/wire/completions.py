"""Completions as they leave us: chunks of a stream, or one body."""

from collections.abc import Iterable, Sequence
from typing import Any

from inference.generation import ChosenToken, Event, Finish, TextDelta, Usage
from inference.transcript import Choice
from inference.wire.sse import DONE
from inference.wire.texts import clean, encode, finite, json_text, usage_object
from inference.wire.token_offsets import TokenOffsets


class CompletionEncoder:
    """Writes the answer to one request, chunk by chunk."""

    def __init__(
        self,
        *,
        request_id: str,
        created: int,
        model: str,
        echoes: Sequence[str] = (),
        choices: int = 1,
        include_usage: bool = False,
        logprobs: bool = False,
    ) -> None:
        """`created` in Unix seconds; `model` as the client is to see it; `logprobs`: whether it asked for them.

        `echoes`: what each choice begins with, if it does with anything.
        """
        self._opening = b"data: " + encode(_head(request_id, created, model))[:-1] + b',"choices":['
        self._closing = b'],"usage":null}\n\n' if include_usage else b"]}\n\n"
        self._begins = [b'%b{"index":%d,"text":' % (self._opening, index) for index in range(choices)]
        self._offsets = [TokenOffsets() for _ in range(choices)] if logprobs else []
        self._echoes = dict(enumerate(echoes))
        self._unfinished = set(range(choices))
        self._include_usage = include_usage
        self._usage = Usage(0, 0)

    def frame(self, event: Event) -> bytes:
        """The frames that an event comes to, empty where it comes to none; the last choice's end ends the stream."""
        if type(event) is TextDelta:
            return self._text(event)
        if isinstance(event, Usage):
            self._usage = event
        elif isinstance(event, Finish):
            return self._finish(event)
        return b""

    def _text(self, event: TextDelta) -> bytes:
        index, text = event.index, event.text
        if index not in self._unfinished:
            return b""
        logprobs = b"null"
        if self._offsets and event.logprobs:
            logprobs = encode(_logprobs(event.logprobs, self._offsets[index].feed(text, event.logprobs)))
        elif self._offsets:
            self._offsets[index].feed(text, ())
        if not text and logprobs == b"null":
            return self._echo(index)
        return self._echo(index) + self._chunk(index, text, logprobs, b"null")

    def _finish(self, event: Finish) -> bytes:
        if event.index not in self._unfinished:
            return b""
        self._unfinished.remove(event.index)
        end = self._echo(event.index) + self._chunk(event.index, "", b"null", encode(event.reason))
        if self._unfinished:
            return end
        if self._include_usage:
            end += self._opening + b'],"usage":' + encode(usage_object(self._usage)) + b"}\n\n"
        return end + DONE

    def _echo(self, index: int) -> bytes:
        """The prompt, before a choice's first chunk."""
        echo = self._echoes.pop(index, "")
        return self._chunk(index, echo, b"null", b"null") if echo else b""

    def _chunk(self, index: int, text: str, logprobs: bytes, reason: bytes) -> bytes:
        head = self._begins[index] + json_text(text)
        return b'%b,"logprobs":%b,"finish_reason":%b}%b' % (head, logprobs, reason, self._closing)


def completion(
    choices: Iterable[Choice],
    usage: Usage,
    *,
    request_id: str,
    created: int,
    model: str,
    echoes: Sequence[str] = (),
    logprobs: bool = False,
) -> bytes:
    """The whole answer as one JSON body; arguments as of `CompletionEncoder`."""
    body = {
        **_head(request_id, created, model),
        "choices": [
            {
                "index": choice.index,
                "text": (echoes[choice.index] if echoes else "") + clean(choice.text),
                "logprobs": _logprobs(choice.logprobs, TokenOffsets().feed(choice.text, choice.logprobs))
                if logprobs
                else None,
                "finish_reason": choice.finish_reason,
            }
            for choice in choices
        ],
        "usage": usage_object(usage),
    }
    return encode(body)


def _head(request_id: str, created: int, model: str) -> dict[str, Any]:
    return {
        "id": f"cmpl-{request_id}",
        "object": "text_completion",
        "created": created,
        "model": model,
        "system_fingerprint": None,
    }


def _logprobs(tokens: Sequence[ChosenToken], offsets: list[int]) -> dict[str, Any]:
    return {
        "tokens": [clean(token.token) for token in tokens],
        "token_logprobs": [finite(token.logprob) for token in tokens],
        "top_logprobs": [_top(token) for token in tokens],
        "text_offset": offsets,
    }


def _top(token: ChosenToken) -> dict[str, float]:
    """The likeliest tokens, and the chosen one, whatever its rank; of those with one text, the likeliest."""
    found: dict[str, float] = {}
    for other in token.top:
        found.setdefault(clean(other.token), finite(other.logprob))
    found.setdefault(clean(token.token), finite(token.logprob))
    return found
