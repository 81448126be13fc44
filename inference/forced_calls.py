"""Calls that a model has to make: the JSON that an engine is held to, and how calls come out of it.

Where an engine has guided decoding it writes a JSON list of calls, or the arguments of the one function that was named.
Where it has none, the model is free to write calls in its own format, or none at all.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from inference.conversation import Tool, Tooling
from inference.generation import Structure
from inference.parsers import ToolCall, ToolParser
from inference.parsers.tool_calls import Event, call_of, json_text, json_value

# Milliseconds to put a byte of a schema into another, measured.
MS_PER_BYTE = 2e-4
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_CALL_KEYS = frozenset({"name", "arguments", "parameters", "id", "type"})


def callable_tools(tooling: Tooling) -> list[Tool]:
    """Those that may be called now."""
    return [tool for tool in tooling.tools if tool.name in tooling.callable]


def only_tool(tooling: Tooling) -> Tool | None:
    """The one function that is to be called once, so that its name need not be written."""
    tools = callable_tools(tooling)
    return tools[0] if tooling.required and not tooling.parallel and len(tools) == 1 else None


def guided_structure(tooling: Tooling | None, structure: Structure | None) -> Structure | None:
    """What an engine is to be held to; None: nothing.

    Where calls are allowed and an answer has to have a form, it is either a list of calls or that form.
    """
    tools = callable_tools(tooling) if tooling else []
    if tooling is None or not tools or not (tooling.required or structure):
        return structure
    if (only := only_tool(tooling)) is not None:
        return _structure(only.parameters)
    definitions: dict[str, Any] = {}
    calls = _calls_schema(tools, definitions, parallel=tooling.parallel)
    if structure is None or tooling.required:
        return _structure({**calls, "$defs": definitions} if definitions else calls)
    answer = {"type": "object"} if structure.schema is None else msgspec.json.decode(structure.schema)
    either = {"anyOf": [calls, _embedded(answer, "answer", definitions)]}
    return _structure({**either, "$defs": definitions} if definitions else either)


def guiding_ms(tooling: Tooling | None, structure: Structure | None) -> float:
    """Milliseconds that `guided_structure` takes at most."""
    if tooling is None or not (tooling.required or structure):
        return 0.0
    tools = sum(len(msgspec.json.encode(tool.parameters)) for tool in callable_tools(tooling))
    return (tools + len(structure.schema or "" if structure else "")) * MS_PER_BYTE


def _structure(schema: Mapping[str, Any]) -> Structure:
    return Structure(msgspec.json.encode(schema).decode())


def _calls_schema(tools: Sequence[Tool], definitions: dict[str, Any], *, parallel: bool) -> dict[str, Any]:
    """A list of calls of any of these."""
    calls = [
        {
            "type": "object",
            "properties": {
                "name": {"type": "string", "enum": [tool.name]},
                "arguments": _embedded(tool.parameters, f"tool_{tool.name}", definitions),
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    schema = {"type": "array", "minItems": 1, "items": calls[0] if len(calls) == 1 else {"anyOf": calls}}
    return schema if parallel else {**schema, "maxItems": 1}


def _embedded(schema: dict[str, Any], name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """A schema for use inside another; one with references moves to `definitions`, where they can lead to it."""
    schema = {key: value for key, value in schema.items() if key not in ("$schema", "$id")}
    if not _refers(schema):
        return schema
    definitions[name] = _moved(schema, f"#/$defs/{name}")
    return {"$ref": f"#/$defs/{name}"}


def _refers(value: Any) -> bool:
    if isinstance(value, dict):
        return any(isinstance(value.get(key), str) for key in _REFERENCES) or any(map(_refers, value.values()))
    return isinstance(value, list) and any(map(_refers, value))


def _moved(value: Any, place: str) -> Any:
    """A schema whose references to its own top (`#`) lead to `place` instead."""
    if isinstance(value, dict):
        return {
            key: place + item.removeprefix("#") if key in _REFERENCES and isinstance(item, str) else _moved(item, place)
            for key, item in value.items()
        }
    return [_moved(item, place) for item in value] if isinstance(value, list) else value


class GuidedCalls:
    """Parses an answer that is JSON by guided decoding, or in the model's own format where the engine has none."""

    def __init__(self, tooling: Tooling, own: ToolParser) -> None:
        """`own` parses the model's format."""
        self._only = only_tool(tooling)
        # Without this, an object is an answer that has a form, which need not wait for its end.
        self._required = tooling.required
        self._own = own
        self._pieces: list[str] = []
        # Whether it is JSON that may be calls; None: not a character has come yet.
        self._json: bool | None = None

    def feed(self, text: str) -> Sequence[Event]:
        """More of the answer."""
        if self._json is False:
            return self._own.feed(text)
        self._pieces.append(text)
        if self._json is None and (begun := "".join(self._pieces).lstrip()):
            self._json = begun.startswith(("[", "{") if self._required else "[")
            if not self._json:
                return self._own.feed(self._held())
        return ()

    def finish(self) -> Sequence[Event]:
        """The answer ends."""
        text = self._held()
        if not self._json:
            return [*(self._own.feed(text) if text else ()), *self._own.finish()]
        calls = self._calls(text)
        return calls if calls else [*self._own.feed(text), *self._own.finish()]

    def _held(self) -> str:
        text = "".join(self._pieces)
        self._pieces.clear()
        return text

    def _calls(self, text: str) -> list[Event]:
        """The calls that a JSON text consists of; empty: none."""
        bare = text.strip()
        try:
            value, end = json_value(bare)
        except ValueError:
            return []
        if end != len(bare):
            return []
        if isinstance(value, dict):
            if self._only is not None and not self._is_call(value):
                arguments = json_text(value)
                return [] if arguments is None else [ToolCall(self._only.name, arguments)]
            value = [value]
        calls = [call_of(entry, "arguments", "parameters") for entry in value] if isinstance(value, list) else []
        found: list[Event] = [call for call in calls if call is not None]
        return found if len(found) == len(calls) else []

    def _is_call(self, value: dict[str, Any]) -> bool:
        """Whether an object is a call in full rather than the arguments of the only function."""
        assert self._only is not None  # noqa: S101
        if value.get("name") != self._only.name or not value.keys() <= _CALL_KEYS:
            return False
        properties = self._only.parameters.get("properties")
        own = properties.keys() if isinstance(properties, dict) else ()
        return ("arguments" in value or "parameters" in value) and not {"arguments", "parameters"}.intersection(own)
