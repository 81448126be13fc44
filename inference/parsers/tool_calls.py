"""What tool-call parsers tell, and the JSON that most formats are made of."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Protocol

from msgspec import Struct

# By name of the function, the JSON Schema of its parameters.
Tools = Mapping[str, Mapping[str, Any]]


class Text(Struct, frozen=True, gc=False):
    """More of the answer."""

    text: str


class ToolCall(Struct, frozen=True, gc=False):
    """A whole call; `arguments` is a JSON object, `id` what the model calls it by, if it does."""

    name: str
    arguments: str
    id: str | None = None


Event = Text | ToolCall


class ToolParser(Protocol):
    """Parses one answer. A call comes when it is whole: one that turns out malformed can then still be text."""

    def feed(self, text: str) -> Sequence[Event]:
        """More of the answer."""
        ...

    def finish(self) -> Sequence[Event]:
        """The answer ends."""
        ...


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


# Models write line breaks into strings as they are, which strict JSON forbids.
_decoder = json.JSONDecoder(strict=False, parse_constant=_refuse)


def json_value(text: str, start: int = 0) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends. Raises ValueError."""
    try:
        return _decoder.raw_decode(text, start)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def call_of(value: Any, *names: str) -> ToolCall | None:
    """The call that an object describes, with its arguments under one of `names`; None: it describes none."""
    if not isinstance(value, dict):
        return None
    name = value.get("name")
    arguments: Any = next((value[key] for key in names if key in value), {})
    if isinstance(arguments, str):
        # Encoded twice, as some models do.
        try:
            arguments, _ = json_value(arguments.strip())
        except ValueError:
            return None
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        return None
    call_id = value.get("id")
    text = json_text(arguments)
    if text is None:
        return None
    return ToolCall(name, text, call_id if isinstance(call_id, str) and call_id else None)


def json_text(value: Any) -> str | None:
    """A value as JSON; None where it holds what JSON cannot, as a number beyond all bounds."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return None


def joined(events: Sequence[Event]) -> list[Event]:
    """The events without empty texts, texts that follow each other as one."""
    found: list[Event] = []
    for event in events:
        if isinstance(event, Text):
            if not event.text:
                continue
            if found and isinstance(found[-1], Text):
                event = Text(found.pop().text + event.text)  # type: ignore[union-attr]
        found.append(event)
    return found
