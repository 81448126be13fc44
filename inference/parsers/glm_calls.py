"""The tool calls of GLM-4.5 and later, between markers: `<tool_call>NAME` and pairs of keys and values."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from inference.parsers.call_formats import cast_value
from inference.parsers.tool_calls import ToolCall, Tools, json_text

# From GLM-4.7 on no line break follows the name.
_NAME = re.compile(r"\s*([^\s<>{}\[\]\"']+)[ \t]*(?=[\r\n]|<arg_key>|\Z)")
# A value ends where another key begins or none is left: it may speak of the marker itself.
_PAIR = re.compile(
    r"\s*<arg_key>([^<]+)</arg_key>\s*<arg_value>(.*?)</arg_value>\s*(?=<arg_key>[^<]+</arg_key>|\Z)", re.DOTALL
)


class GlmCalls:
    """`<tool_call>NAME <arg_key>KEY</arg_key> <arg_value>VALUE</arg_value> … </tool_call>`.

    Texts are written as they are, other values as JSON; the function's schema says which a value is.
    """

    pairs: Sequence[tuple[str, str]] = (("<tool_call>", "</tool_call>"),)

    def calls(self, opening: str, body: str, tools: Tools) -> list[ToolCall] | None:
        """See `CallFormat`."""
        name = _NAME.match(body)
        if name is None:
            return None
        properties = tools.get(name[1], {}).get("properties")
        schemas = properties if isinstance(properties, Mapping) else {}
        arguments: dict[str, Any] = {}
        position = name.end()
        while match := _PAIR.match(body, position):
            key = match[1].strip()
            arguments[key] = cast_value(match[2], schemas.get(key))
            position = match.end()
        text = None if body[position:].strip() else json_text(arguments)
        return None if text is None else [ToolCall(name[1], text)]

    def goes_on(self, opening: str, body: str) -> bool:
        """In the middle of a value."""
        return "<arg_value>" in body and not body.rstrip().endswith("</arg_value>")
