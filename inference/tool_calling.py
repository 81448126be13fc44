"""The tool-calling step: what a model writes as calls of tools comes out of its text as events of their own."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from inference.conversation import Tooling
from inference.errors import AnswerUnfit
from inference.forced_calls import GuidedCalls, callable_tools
from inference.generation import ChosenToken, Event, EventStream, Finish, Restart, TextDelta, ToolCalled
from inference.parsers import Text, ToolCall, ToolParser
from inference.parsers.tool_calls import Event as Parsed
from inference.parsers.tool_calls import json_text
from inference.structure import StructureCheck
from inference.tool_formats import ToolFormat

# What Mistral's templates take for an id.
_SHORT_ID = re.compile(r"[a-zA-Z0-9]{9}\Z")


class ToolCallMissing(AnswerUnfit):
    """The model was to call a tool and did not."""

    code = "tool_call_missing"


class InvalidToolArguments(AnswerUnfit):
    """The arguments of a strict tool do not fit its schema."""

    code = "invalid_tool_arguments"


def new_call_id(form: ToolFormat) -> str:
    """An id for a call, as the model's template takes them."""
    return secrets.token_hex(5)[:9] if form.short_ids else f"call_{secrets.token_hex(12)}"


def short_ids(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages with ids of calls as Mistral's templates insist on, the same for the same."""
    return [
        _short(message) if "tool_calls" in message or "tool_call_id" in message else message for message in messages
    ]


def _short(message: dict[str, Any]) -> dict[str, Any]:
    found = dict(message)
    if "tool_call_id" in found:
        found["tool_call_id"] = short_id(found["tool_call_id"])
    if "tool_calls" in found:
        found["tool_calls"] = [{**call, "id": short_id(call["id"])} for call in found["tool_calls"]]
    return found


def short_id(call_id: str) -> str:
    """Nine letters and digits for an id; its own where it is such a one."""
    if _SHORT_ID.match(call_id):
        return call_id
    return hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:9]


class Calling:
    """What the tool-calling step needs to know of a request."""

    def __init__(self, tooling: Tooling, form: ToolFormat, *, structured: bool, logprobs: bool) -> None:
        """`structured`: an answer without calls has to have a form; `logprobs`: of its tokens are asked for."""
        self.required = tooling.required
        self.parallel = tooling.parallel
        self.form = form
        self.logprobs = logprobs
        self._tooling = tooling
        self._guided = tooling.required or structured
        tools = callable_tools(tooling)
        self._schemas = {tool.name: tool.parameters for tool in tools}
        self._checks = {tool.name: StructureCheck.of(tool.parameters) for tool in tools if tool.strict}

    def parser(self) -> ToolParser:
        """A parser of one choice."""
        own = self.form.parser(self._schemas)
        return GuidedCalls(self._tooling, own) if self._guided else own

    def offers(self, name: str) -> bool:
        """Whether a tool may be called."""
        return name in self._schemas

    async def check(self, call: ToolCall) -> None:
        """Raises `InvalidToolArguments` where a strict tool's arguments do not fit."""
        check = self._checks.get(call.name)
        if check is not None and not await check.accepts(call.arguments):
            raise InvalidToolArguments("The model called a tool with arguments that do not fit its schema.")


async def called(events: EventStream, calling: Calling) -> EventStream:
    """The events of one choice, with calls told from text; a choice with calls finishes with `tool_calls`.

    Calls of what was not offered are text, and so is what only looks like a call. Raises `ToolCallMissing` where a call
    was required and none came, `InvalidToolArguments`.
    """
    choice = _Choice(calling)
    async with aclosing(events):
        async for event in events:
            kind = type(event)
            if kind is TextDelta:
                for part in await choice.parts(event):  # type: ignore[arg-type]
                    yield part
            elif kind is Finish:
                for part in await choice.end(event):  # type: ignore[arg-type]
                    yield part
            else:
                if kind is Restart:
                    choice = _Choice(calling)
                yield event


class _Choice:
    """One choice while it is written."""

    __slots__ = ("_calling", "_calls", "_logprobs", "_parser")

    def __init__(self, calling: Calling) -> None:
        self._calling = calling
        self._parser = calling.parser()
        self._logprobs = _TextLogprobs(calling.parser()) if calling.logprobs else None
        self._calls = 0

    async def parts(self, event: TextDelta) -> Sequence[Event]:
        """What a delta comes to. Its tokens come first."""
        found = self._parser.feed(event.text)
        if self._logprobs is not None:
            event.logprobs = self._logprobs.feed(event.logprobs or ())
        if len(found) == 1 and type(text := found[0]) is Text:
            event.text = text.text
            return (event,)
        parts: list[Event] = [TextDelta(event.index, "", event.tokens, event.logprobs)]
        return await self._add(parts, event.index, found)

    async def end(self, finish: Finish) -> Sequence[Event]:
        """What was held back, and how the choice ends."""
        held = self._parser.finish()
        logprobs = None if self._logprobs is None else self._logprobs.rest()
        first: list[Event] = [TextDelta(finish.index, "", 0, logprobs)]
        parts = await self._add(first, finish.index, held)
        if parts == [TextDelta(finish.index, "")]:
            parts = []
        cut_off = finish.reason == "length" and any(isinstance(event, Text) for event in held)
        if self._calls and not cut_off:
            finish = Finish(finish.index, "tool_calls")
        elif self._calling.required and finish.reason != "length":
            raise ToolCallMissing("The model did not call a tool although it had to.")
        return [*parts, finish]

    async def _add(self, parts: list[Event], index: int, found: Sequence[Parsed]) -> list[Event]:
        """Adds what the parser found to parts, of which the last is a text."""
        for event in found:
            if isinstance(event, Text):
                self._say(parts, index, event.text)
            elif not self._calling.offers(event.name):
                self._say(parts, index, f'{{"name": {json_text(event.name)}, "arguments": {event.arguments}}}')
            elif not self._calls or self._calling.parallel:
                await self._calling.check(event)
                self._calls += 1
                parts.append(ToolCalled(index, new_call_id(self._calling.form), event.name, event.arguments))
        return parts

    def _say(self, parts: list[Event], index: int, text: str) -> None:
        last = parts[-1]
        if isinstance(last, TextDelta):
            last.text += text
        else:
            parts.append(TextDelta(index, text))


class _TextLogprobs:
    """Picks the tokens that are text out of all that come with logprobs, by their own texts."""

    __slots__ = ("_held", "_parser")

    def __init__(self, parser: ToolParser) -> None:
        self._parser = parser
        self._held: list[ChosenToken] = []

    def feed(self, tokens: Sequence[ChosenToken]) -> tuple[ChosenToken, ...] | None:
        """Those of text; None: none. A token that may be part of a call waits until that is known."""
        found: list[ChosenToken] = []
        for token in tokens:
            self._held.append(token)
            found += self._told(self._parser.feed(token.token))
        return tuple(found) or None

    def rest(self) -> tuple[ChosenToken, ...] | None:
        """Those that were held back and are text after all."""
        return tuple(self._told(self._parser.finish())) or None

    def _told(self, events: Sequence[Parsed]) -> list[ChosenToken]:
        if not events:
            return []
        held, self._held = self._held, []
        return [] if any(isinstance(event, ToolCall) for event in events) else held
