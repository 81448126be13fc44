"""Tool calls that an answer consists of or ends with: those of Llama 3 and of Mistral."""

import re
from collections.abc import Sequence

from inference.parsers.markers import beginning
from inference.parsers.tool_calls import Event, Text, ToolCall, Tools, call_of, json_value

PYTHON_TAG = "<|python_tag|>"
TOOL_CALLS = "[TOOL_CALLS]"
# Within so many characters it is clear whether an answer of Llama may be a call.
MOST_UNDECIDED = 64
# What an object that is a call begins with.
_CALL_KEYS = ("name", "type", "id", "function", "parameters", "arguments")
_FIRST_KEY = re.compile(r'\{\s*"(\w*)"')
_BEFORE_KEY = re.compile(r'\{\s*("\w*)?\Z')
_BETWEEN = re.compile(r"[\s;]*")
_WHITE = re.compile(r"\s*")
_MISTRAL_HEAD = re.compile(r"([^\s\[{]+)\s*(?:\[CALL_ID\]\s*([^\s\[{]+)\s*)?(?:\[ARGS\]\s*)?(?=\{)")


class LlamaCalls:
    """Parses one answer of Llama 3, which is either text or calls: `{"name": …, "parameters": {…}}`.

    Several are joined by semicolons, `<|python_tag|>` may come first. An answer that is other JSON is text, at once as
    far as its first key tells; so is an object whose `name` is none of the tools that were offered.
    """

    __slots__ = ("_may_be_call", "_pieces", "_tools")

    def __init__(self, tools: Tools) -> None:
        """`tools`: those that were offered."""
        self._tools = tools
        self._pieces: list[str] = []
        # None: not decided yet.
        self._may_be_call: bool | None = None

    def feed(self, text: str) -> Sequence[Event]:
        """More of the answer."""
        if self._may_be_call is False:
            return (Text(text),)
        self._pieces.append(text)
        if self._may_be_call is None:
            begun = "".join(self._pieces)
            self._may_be_call = _may_be_call(begun)
            if self._may_be_call is False:
                self._pieces.clear()
                return (Text(begun),)
        return ()

    def finish(self) -> Sequence[Event]:
        """The answer ends."""
        whole = "".join(self._pieces)
        self._pieces.clear()
        if not whole:
            return ()
        return _llama_calls(whole.lstrip().removeprefix(PYTHON_TAG), self._tools) or (Text(whole),)


def _may_be_call(text: str) -> bool | None:
    """Whether calls may begin like this; None: it takes more text to say. What is once said never changes."""
    bare = text.lstrip()
    if len(text) - len(bare) > MOST_UNDECIDED:
        return False
    if bare.startswith(PYTHON_TAG):
        return True
    if PYTHON_TAG.startswith(bare):
        return None
    key = _FIRST_KEY.match(bare)
    if key is not None:
        return key.end() <= MOST_UNDECIDED and key[1] in _CALL_KEYS
    return None if len(bare) <= MOST_UNDECIDED and _BEFORE_KEY.match(bare) else False


def _llama_calls(text: str, tools: Tools) -> list[ToolCall] | None:
    calls = []
    position = _WHITE.match(text).end()  # type: ignore[union-attr]
    while position < len(text):
        try:
            value, position = json_value(text, position)
        except ValueError:
            return None
        call = call_of(value, "parameters", "arguments")
        if call is None or call.name not in tools:
            return None
        calls.append(call)
        position = _BETWEEN.match(text, position).end()  # type: ignore[union-attr]
    return calls


class MistralCalls:
    """Parses one answer of Mistral, whose calls follow `[TOOL_CALLS]`.

    Until its tokenizer's version 7 as a list, `[{"name": …, "arguments": {…}}]`, then as `name[ARGS]{…}` behind a
    marker each. Which of them it is, the text says by itself.
    """

    __slots__ = ("_calls", "_held")

    def __init__(self, tools: Tools) -> None:
        """`tools`: those that were offered; the format says enough without them."""
        # The beginning of what may be a marker.
        self._held = ""
        # What follows the first marker; None: there was none.
        self._calls: list[str] | None = None

    def feed(self, text: str) -> Sequence[Event]:
        """More of the answer."""
        if self._calls is not None:
            self._calls.append(text)
            return ()
        if not self._held and TOOL_CALLS[0] not in text:
            return (Text(text),)
        text, self._held = self._held + text, ""
        before, marker, behind = text.partition(TOOL_CALLS)
        if marker:
            self._calls = [behind]
        else:
            end = beginning(text, TOOL_CALLS)
            before, self._held = text[:end], text[end:]
        return (Text(before),) if before else ()

    def finish(self) -> Sequence[Event]:
        """The answer ends."""
        if self._calls is None:
            held, self._held = self._held, ""
            return (Text(held),) if held else ()
        text, self._calls = TOOL_CALLS + "".join(self._calls), None
        found: list[Event] = []
        position = 0
        while text.startswith(TOOL_CALLS, position):
            calls, end = _mistral_calls(text, position + len(TOOL_CALLS))
            if not calls:
                break
            found += calls
            position = _WHITE.match(text, end).end()  # type: ignore[union-attr]
        if position < len(text):
            found.append(Text(text[position:]))
        return found


def _mistral_calls(text: str, position: int) -> tuple[list[ToolCall], int]:
    """The calls behind one marker and where they end; empty: they are malformed."""
    position = _WHITE.match(text, position).end()  # type: ignore[union-attr]
    head = _MISTRAL_HEAD.match(text, position)
    try:
        value, end = json_value(text, position if head is None else head.end())
    except ValueError:
        return [], position
    if head is not None:
        value = [{"name": head[1], "id": head[2], "arguments": value}]
    calls = [call_of(entry, "arguments", "parameters") for entry in (value if isinstance(value, list) else ())]
    whole = [call for call in calls if call is not None]
    return (whole, end) if len(whole) == len(calls) else ([], position)
