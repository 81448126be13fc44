"""Tool calls between an opening and a closing marker: those of Hermes and Qwen3, and of Qwen3-Coder."""

from collections.abc import Sequence
from typing import Protocol

from inference.parsers.markers import LINE_BREAKS, beginning
from inference.parsers.tool_calls import Event, Text, ToolCall, Tools

# So many closing markers may be part of a call's own text; each costs another look at the call.
MOST_CLOSINGS = 16


class CallFormat(Protocol):
    """What stands between the markers."""

    # Opening and closing markers.
    pairs: Sequence[tuple[str, str]]

    def calls(self, opening: str, body: str, tools: Tools) -> list[ToolCall] | None:
        """The calls in a body; None: it is malformed."""
        ...

    def goes_on(self, opening: str, body: str) -> bool:
        """Whether a closing marker behind a malformed body may be a part of it."""
        ...


class EnclosedCalls:
    """Parses one answer in a format with markers."""

    __slots__ = ("_body", "_call", "_closings", "_firsts", "_format", "_held", "_tail", "_tools", "_trim")

    def __init__(self, format: CallFormat, tools: Tools) -> None:  # noqa: A002
        """`tools`: those that were offered."""
        self._format = format
        self._tools = tools
        self._firsts = tuple({opening[0] for opening, _ in format.pairs})
        # The beginning of what may be an opening marker.
        self._held = ""
        # Behind a call, line breaks are dropped.
        self._trim = False
        # The markers of the call that is under way, its text so far, and the end of that which may begin the closing.
        self._call: tuple[str, str] | None = None
        self._body: list[str] = []
        self._tail = ""
        self._closings = 0

    def feed(self, text: str) -> Sequence[Event]:
        """More of the answer."""
        if self._call is None and not self._held and not self._trim:
            # Almost every piece of text ends here.
            for first in self._firsts:
                if first in text:
                    break
            else:
                return (Text(text),)
        found: list[Event] = []
        while text:
            text = self._in_text(text, found) if self._call is None else self._in_call(text, found)
        return found

    def finish(self) -> Sequence[Event]:
        """The answer ends; a call that is whole but for its closing marker is one."""
        held, self._held = self._held, ""
        if self._call is None:
            return (Text(held),) if held else ()
        found: list[Event] = []
        self._end_call("", found)
        return found

    def _in_text(self, text: str, found: list[Event]) -> str:
        """Text up to the next call; what is left."""
        text, self._held = self._held + text, ""
        if self._trim:
            text = text.lstrip(LINE_BREAKS)
            if not text:
                return ""
            self._trim = False
        starts = [(start, pair) for pair in self._format.pairs if (start := text.find(pair[0])) >= 0]
        if not starts:
            end = min(beginning(text, opening) for opening, _ in self._format.pairs)
            self._held = text[end:]
            if end:
                found.append(Text(text[:end]))
            return ""
        start, self._call = min(starts)
        if start:
            found.append(Text(text[:start]))
        return text[start + len(self._call[0]) :]

    def _in_call(self, text: str, found: list[Event]) -> str:
        """More of a call; what is left behind its end."""
        assert self._call is not None  # noqa: S101
        closing = self._call[1]
        searched = self._tail + text
        end = searched.find(closing)
        if end < 0:
            self._body.append(text)
            self._tail = searched[1 - len(closing) :]
            return ""
        end += len(closing) - len(self._tail)
        self._body.append(text[:end])
        self._tail = ""
        self._end_call(closing, found)
        return text[end:]

    def _end_call(self, closing: str, found: list[Event]) -> None:
        """Tells the call, or its text where it is malformed; does nothing where it may go on."""
        assert self._call is not None  # noqa: S101
        opening = self._call[0]
        whole = "".join(self._body)
        body = whole[: len(whole) - len(closing)]
        calls = self._format.calls(opening, body, self._tools)
        if calls is None and closing and self._closings < MOST_CLOSINGS and self._format.goes_on(opening, body):
            self._body = [whole]
            self._closings += 1
            return
        before = ""
        if calls is None and (again := body.rfind(opening)) >= 0:
            # A model may begin anew in the middle of a call.
            calls = self._format.calls(opening, body[again + len(opening) :], self._tools)
            before = opening + body[:again]
        if calls is None:
            found.append(Text(opening + whole))
        else:
            if before:
                found.append(Text(before))
            found += calls
        self._trim = calls is not None
        self._call, self._body, self._tail, self._closings = None, [], "", 0
