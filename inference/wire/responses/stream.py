"""The events of a response: what a stream sends, and what the whole object is made of."""

import time
from collections.abc import Callable
from typing import Any, TypedDict

from accounts.errors import ApiError
from inference.generation import ChosenToken, Event, Finish, ReasoningDelta, TextDelta, ToolCalled, Usage
from inference.tool_names import ToolNames
from inference.wire.responses.envelope import Envelope, Parts, usage_object
from inference.wire.responses.failures import failure_code
from inference.wire.responses.items import (
    COMPLETED,
    IN_PROGRESS,
    INCOMPLETE,
    call_item,
    custom_input,
    logprobs_json,
    message_item,
    reasoning_item,
    reasoning_part,
    text_part,
)
from inference.wire.sse import DONE
from inference.wire.texts import clean, encode, json_text


class Description(TypedDict):
    """What a response says of itself: `created` is Unix seconds, `model` as the client is to see it, `echo` what it
    repeats of its request."""

    request_id: str
    created: int
    model: str
    echo: dict[str, Any]


class ResponseEncoder:
    """Writes the answer to one request.

    Deltas differ in their text and number alone, so the rest is encoded once per item. A finished item is encoded once,
    too, for its own event and for the response that holds all.
    """

    def __init__(
        self,
        *,
        names: ToolNames,
        logprobs: bool = False,
        seal: Callable[[str], str] | None = None,
        **description: Any,
    ) -> None:
        """`names`: the client's tools; `seal` makes what reasoning items have for the client to send back.

        `description` as of `Description`.
        """
        self._envelope = Envelope(**description)
        self._request_id: str = description["request_id"]
        self._names = names
        self._logprobs = logprobs
        self._seal = seal
        self._number = 0
        self._begun = False
        self._usage = Usage(0, 0)
        # Finished items.
        self._items: list[bytes] = []
        self._answered = False
        # Of the item that is open, reasoning or a message, its id and what it holds so far.
        self._open: type[TextDelta] | type[ReasoningDelta] | None = None
        self._item_id = ""
        self._place = b""
        self._delta = b""
        self._texts: list[str] = []
        self._tokens: list[ChosenToken] = []
        # Blank text that may come to nothing: models put line breaks around what they think and call.
        self._blank = ""
        self._blank_tokens: tuple[ChosenToken, ...] = ()
        # The response as it ended.
        self.body = b""

    def frame(self, event: Event) -> bytes:
        """The frames that an event comes to, empty where it comes to none. The end of the choice ends the stream.

        The first that is not a count begins it: by then an engine has taken the request.
        """
        kind = type(event)
        if kind is TextDelta:
            return self._text(event)  # type: ignore[arg-type]
        if kind is ReasoningDelta:
            return self._thought(event)  # type: ignore[arg-type]
        if kind is ToolCalled:
            return self._begin() + self._call(event)  # type: ignore[arg-type]
        if kind is Finish:
            return self._begin() + self._finish(event)  # type: ignore[arg-type]
        if isinstance(event, Usage):
            self._usage = event
        return b""

    def failed(self, error: ApiError) -> bytes:
        """The end of a stream that cannot go on, after at least a comment was sent."""
        fault = encode({"code": failure_code(error), "message": error.message})
        parts = Parts(status="failed", error=fault, output=b"[%b]" % b",".join(self._items))
        return self._begin() + self._lifecycle("failed", self._envelope.response(parts)) + DONE

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        response = self._envelope.response(Parts(status=IN_PROGRESS))
        return self._lifecycle("created", response) + self._lifecycle("in_progress", response)

    def _text(self, event: TextDelta) -> bytes:
        text = event.text
        tokens = event.logprobs if self._logprobs else None
        head = b""
        if self._open is not TextDelta:
            head = self._begin()
            if not text.strip():
                self._blank += text
                self._blank_tokens += tokens or ()
                return head
            text, tokens = self._blank + text, self._blank_tokens + (tokens or ())
            head += self._open_message()
        elif not text and not tokens:
            return b""
        self._texts.append(text)
        number = self._number
        self._number = number + 1
        if not tokens:
            return b'%b%b%b,"logprobs":[],"sequence_number":%d}\n\n' % (head, self._delta, json_text(text), number)
        self._tokens += tokens
        logprobs = logprobs_json(tokens)
        end = b',"logprobs":%b,"sequence_number":%d}\n\n' % (logprobs, number)
        return head + self._delta + json_text(text) + end

    def _thought(self, event: ReasoningDelta) -> bytes:
        text = event.text
        if not text:
            return b"" if self._begun else self._begin()
        head = b"" if self._open is ReasoningDelta else self._begin() + self._open_reasoning()
        self._texts.append(text)
        number = self._number
        self._number = number + 1
        return b'%b%b%b,"sequence_number":%d}\n\n' % (head, self._delta, json_text(text), number)

    def _open_message(self) -> bytes:
        closed = self._close(COMPLETED)
        self._answered = True
        self._open_item(TextDelta, "msg", b"output_text")
        added = self._item_event("added", message_item(self._item_id, IN_PROGRESS, None))
        part = text_part(b'""', b"[]")
        return closed + added + self._event(b"response.content_part.added", b'%b,"part":%b' % (self._place, part))

    def _open_reasoning(self) -> bytes:
        closed = self._close(COMPLETED)
        self._open_item(ReasoningDelta, "rs", b"reasoning_text")
        added = self._item_event("added", reasoning_item(self._item_id, IN_PROGRESS, None, None))
        part = reasoning_part(b'""')
        return closed + added + self._event(b"response.content_part.added", b'%b,"part":%b' % (self._place, part))

    def _open_item(self, kind: type[TextDelta] | type[ReasoningDelta], prefix: str, name: bytes) -> None:
        self._open = kind
        self._blank, self._blank_tokens = "", ()
        index = len(self._items)
        self._item_id = self._new_id(prefix)
        self._place = b'"item_id":"%b","output_index":%d,"content_index":0' % (self._item_id.encode(), index)
        event = b"response.%b.delta" % name
        self._delta = b'event: %b\ndata: {"type":"%b",%b,"delta":' % (event, event, self._place)

    def _close(self, status: str) -> bytes:
        """The frames that end the open item."""
        kind, place = self._open, self._place
        if kind is None:
            return b""
        whole = "".join(self._texts)
        text = json_text(whole)
        if kind is TextDelta:
            logprobs = logprobs_json(self._tokens) if self._tokens else b"[]"
            part = text_part(text, logprobs)
            item = message_item(self._item_id, status, part)
            done = self._event(b"response.output_text.done", b'%b,"text":%b,"logprobs":%b' % (place, text, logprobs))
        else:
            part = reasoning_part(text)
            sealed = None if self._seal is None else self._seal(clean(whole))
            item = reasoning_item(self._item_id, status, part, sealed)
            done = self._event(b"response.reasoning_text.done", b'%b,"text":%b' % (place, text))
        self._open = None
        self._texts, self._tokens = [], []
        done += self._event(b"response.content_part.done", b'%b,"part":%b' % (place, part))
        return done + self._done(item)

    def _call(self, call: ToolCalled) -> bytes:
        closed = self._close(COMPLETED)
        self._answered = True
        self._blank, self._blank_tokens = "", ()
        tool = self._names.client(call.name)
        given = clean(custom_input(call.arguments) if tool.custom else call.arguments)
        item_id = self._new_id("ctc" if tool.custom else "fc")
        added = self._item_event("added", call_item(item_id, IN_PROGRESS, call, tool, ""))
        place = b'"item_id":"%b","output_index":%d' % (item_id.encode(), len(self._items))
        text = json_text(given)
        if tool.custom:
            name, result = b"response.custom_tool_call_input", b'"input":%b' % text
        else:
            result = b'"name":%b,"arguments":%b' % (encode(tool.name), text)
            name = b"response.function_call_arguments"
        delta = self._event(name + b".delta", b'%b,"delta":%b' % (place, text))
        done = self._event(name + b".done", b"%b,%b" % (place, result))
        return closed + added + delta + done + self._done(call_item(item_id, COMPLETED, call, tool, given))

    def _finish(self, event: Finish) -> bytes:
        cut = event.reason == "length"
        frames = b""
        if self._open is not TextDelta and not self._answered and (self._blank or not cut):
            # An answer of nothing is a message, too.
            blank = TextDelta(event.index, self._blank, logprobs=self._blank_tokens or None)
            frames = self._open_message() + self._text(blank)
        frames += self._close(INCOMPLETE if cut else COMPLETED)
        parts = Parts(
            status=INCOMPLETE if cut else COMPLETED,
            output=b"[%b]" % b",".join(self._items),
            usage=usage_object(self._usage),
            completed_at=int(time.time()),
        )
        if cut:
            parts.completed_at = None
            parts.incomplete_details = b'{"reason":"max_output_tokens"}'
        self.body = self._envelope.response(parts)
        return frames + self._lifecycle(parts.status, self.body) + DONE

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}_{self._request_id}_{len(self._items)}"

    def _done(self, item: bytes) -> bytes:
        frame = self._item_event("done", item)
        self._items.append(item)
        return frame

    def _item_event(self, name: str, item: bytes) -> bytes:
        fields = b'"output_index":%d,"item":%b' % (len(self._items), item)
        return self._event(b"response.output_item.%b" % name.encode(), fields)

    def _lifecycle(self, name: str, response: bytes) -> bytes:
        return self._event(b"response.%b" % name.encode(), b'"response":' + response)

    def _event(self, name: bytes, fields: bytes) -> bytes:
        number = self._number
        self._number = number + 1
        return b'event: %b\ndata: {"type":"%b",%b,"sequence_number":%d}\n\n' % (name, name, fields, number)
