"""The formats of tool calls between markers: JSON (Hermes, Qwen2.5, Qwen3) and XML (Qwen3-Coder, Qwen3.5)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from inference.parsers.tool_calls import ToolCall, Tools, call_of, json_text, json_value

_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
# A value ends where another parameter begins or none is left: it may speak of the marker itself.
_PARAMETER = re.compile(r"\s*<parameter=([^>\n]+)>(.*?)</parameter>\s*(?=<parameter=|\Z)", re.DOTALL)
# Schemas come from clients and may nest without end.
DEEPEST = 4
_BOOLEANS = {"true": True, "false": False}
_TYPES: dict[type, tuple[str, ...]] = {
    bool: ("boolean",),
    int: ("integer", "number"),
    float: ("number",),
    dict: ("object",),
    list: ("array",),
    type(None): ("null",),
}


class JsonCalls:
    """`<tool_call>{"name": …, "arguments": {…}}</tool_call>`."""

    pairs: Sequence[tuple[str, str]] = (("<tool_call>", "</tool_call>"),)

    def calls(self, opening: str, body: str, tools: Tools) -> list[ToolCall] | None:
        """See `CallFormat`."""
        text = body.strip()
        try:
            value, end = json_value(text)
        except ValueError:
            return None
        call = call_of(value, "arguments", "parameters") if end == len(text) else None
        return None if call is None else [call]

    def goes_on(self, opening: str, body: str) -> bool:
        """In the middle of a string, where no other call can have begun."""
        _, again, rest = body.rpartition(opening)
        return not (again and self.calls(opening, rest, {})) and '"' in _STRING.sub("", body)


class XmlCalls:
    """`<tool_call><function=NAME><parameter=KEY>VALUE</parameter></function></tool_call>`, some without the outer pair.

    Values are text; the function's schema says what they stand for.
    """

    pairs: Sequence[tuple[str, str]] = (("<tool_call>", "</tool_call>"), ("<function=", "</function>"))

    def calls(self, opening: str, body: str, tools: Tools) -> list[ToolCall] | None:
        """See `CallFormat`."""
        if opening == "<tool_call>":
            body = body.strip()
            if not (body.startswith("<function=") and body.endswith("</function>")):
                return None
            body = body.removeprefix("<function=").removesuffix("</function>")
        name, bracket, rest = body.partition(">")
        name = name.strip()
        if not bracket or not name or "<" in name or "\n" in name:
            return None
        properties = tools.get(name, {}).get("properties")
        schemas = properties if isinstance(properties, Mapping) else {}
        arguments: dict[str, Any] = {}
        position = 0
        while match := _PARAMETER.match(rest, position):
            key, value = match[1].strip(), match[2]
            arguments[key] = cast_value(value.removeprefix("\n").removesuffix("\n"), schemas.get(key))
            position = match.end()
        text = None if rest[position:].strip() else json_text(arguments)
        return None if text is None else [ToolCall(name, text)]

    def goes_on(self, opening: str, body: str) -> bool:
        """In the middle of a value."""
        end = "</function>" if opening == "<tool_call>" else "</parameter>"
        return "<parameter=" in body and not body.rstrip().endswith(end)


def cast_value(text: str, schema: Any) -> Any:
    """What a parameter's text stands for by its JSON Schema; the text itself where it fits none of its types."""
    types = _types(schema)
    if not types or types == {"string"}:
        return text
    bare = text.strip()
    if bare.lower() in _BOOLEANS and "boolean" in types:
        return _BOOLEANS[bare.lower()]
    if bare in ("null", "None") and "null" in types:
        return None
    if "string" in types:
        return text
    try:
        value, end = json_value(bare)
    except ValueError:
        return text
    if end != len(bare) or json_text(value) is None:
        return text
    if isinstance(value, float) and value.is_integer() and types.isdisjoint({"number"}):
        value = int(value)
    return value if types.intersection(_TYPES.get(type(value), ())) else text


def _types(schema: Any, depth: int = 0) -> set[str]:
    """The types that a schema allows; empty: it does not say."""
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return set()
    named = schema.get("type")
    several = named if isinstance(named, list) else (named,)
    found = {name for name in several if isinstance(name, str)}
    for key in ("anyOf", "oneOf"):
        options = schema.get(key)
        for option in options if isinstance(options, list) else ():
            found |= _types(option, depth + 1)
    values = schema.get("enum")
    if not found and isinstance(values, list):
        kinds = {type(value) for value in values}
        found = {name for kind in kinds for name in _TYPES.get(kind, ("string",))}
    return found
