"""gpt-oss's format: an answer is messages with channels for thinking, calls and what the user reads.

    <|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…<|return|>
    <|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{…}<|call|>

The markers are special tokens. The tokens that end an answer are in most engines no part of its text: the end of the
text ends a message as well.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from inference.parsers.markers import beginning
from inference.parsers.reasoning import Parts
from inference.parsers.tool_calls import ToolCall, Tools, call_of, json_value

START, CHANNEL, CONSTRAIN, MESSAGE = "<|start|>", "<|channel|>", "<|constrain|>", "<|message|>"
END, RETURN, CALL = "<|end|>", "<|return|>", "<|call|>"
ROLE = "assistant"
# What ends a message; another may also begin without that.
_ENDS = (END, RETURN, CALL, START, CHANNEL)
_ENDING = re.compile("|".join(map(re.escape, _ENDS)))
# What a header begins with.
_OPENINGS = (START, CHANNEL, CONSTRAIN, MESSAGE, ROLE, "to=")
# A header that is longer is none.
LONGEST_HEADER = 256
_THINKING, _USUAL = "analysis", "final"
# Whom a message is for that is no call.
_PEOPLE = frozenset({"", "user", "assistant", "all"})
# The recipient may come before the channel or behind it, the type of the content with its marker or without.
_HEADER = re.compile(
    r"\s*+(?:<\|start\|>\s*+(?=<\|)|(?:<\|start\|>)?\s*+assistant(?![\w.-]))?\s*+(?:to=(?P<before>[^\s<]++)\s*+)?"
    r"(?:<\|channel\|>\s*+(?P<channel>\w++)\s*+)?(?:to=(?P<behind>[^\s<]++)\s*+)?(?:<\|constrain\|>)?\s*+[\w/.+-]*+\s*+\Z"
)
_LEADING_MARKER = re.compile(r"\s*+(?:<\|start\|>|<\|channel\|>)")
_CALL = re.compile(
    r"(?:functions\.)?(?P<name>[^\s<]++)\s*+(?:<\|channel\|>\s*+\w++\s*+)?(?:<\|constrain\|>)?\s*+[\w/.+-]*+\s*+"
    r"<\|message\|>(?P<arguments>.*)\Z",
    re.DOTALL,
)


class Channels(Struct, frozen=True):
    """In the place of `Markers`: the model tells its thinking by channels."""

    # As of `Markers`.
    special_tokens: bool = True


class HarmonyParser:
    """Parses one answer into its thinking and the rest: what the user reads, and calls with a frame around them.

    Calls are left to `HarmonyCalls`: each is `call_frame(…)`, its text and `<|call|>`. A header that is none is text,
    with its markers, and so is an answer without any. Headers and markers are dropped, and nothing else.
    """

    __slots__ = ("_calling", "_first", "_header", "_held", "_thinking")

    def __init__(self, prompt: str) -> None:
        """`prompt`: the whole or its end, which may have begun a message."""
        # The header so far; None: inside a message.
        self._header: str | None = ""
        # What may be the beginning of a marker.
        self._held = ""
        self._thinking = False
        self._calling = False
        # The frame of a call that the prompt has begun.
        self._first = ""
        _, start, begun = prompt[-LONGEST_HEADER:].rpartition(START)
        header, message, text = begun.partition(MESSAGE)
        if start and message and not any(marker in text for marker in _ENDS):
            self._first = self._begin(header) or ""
        elif start and begun.startswith(ROLE + CHANNEL) and not message:
            self._header = begun.removeprefix(ROLE)

    @property
    def in_answer(self) -> bool:
        """Whether it is inside a message that is not thinking."""
        return self._header is None and not self._thinking

    @property
    def in_text(self) -> bool:
        """Whether it is inside a message that the user reads."""
        return self.in_answer and not self._calling

    @property
    def holding(self) -> bool:
        """Whether it holds text back until it is known what it is."""
        return bool(self._held or self._header)

    def is_thought(self, text: str) -> bool:
        """Whether the text that follows is thinking and nothing else, so that it need not be fed."""
        return self._thinking and self._header is None and not self._held and "<" not in text

    def feed(self, text: str) -> Parts:
        """More of the text."""
        if self._header is None and not self._held and not self._first and "<" not in text:
            return Parts(text, "") if self._thinking else Parts("", text)
        thought: list[str] = []
        said, self._first = [self._first], ""
        text, self._held = self._held + text, ""
        while text:
            text = self._in_message(text, thought, said) if self._header is None else self._in_header(text, said)
        return Parts("".join(thought), "".join(said))

    def finish(self) -> Parts:
        """The text ends, and with it the message that is open; a header that breaks off is dropped."""
        first, held = self._first, self._held
        self._first = self._held = ""
        if self._header is None:
            return Parts(held, first) if self._thinking else Parts("", first + held)
        header, self._header = self._header, ""
        begun = header.removesuffix(CHANNEL)
        is_header = not begun.strip() or (_LEADING_MARKER.match(header) and _HEADER.match(begun))
        return Parts("", "" if is_header else header)

    def _in_message(self, text: str, thought: list[str], said: list[str]) -> str:
        """More of a message; what is left behind its end."""
        told = thought if self._thinking else said
        end = _ENDING.search(text)
        if end is None:
            place = min(beginning(text, marker) for marker in _ENDS)
            self._held = text[place:]
            told.append(text[:place])
            return ""
        told.append(text[: end.start()])
        if self._calling:
            said.append(CALL)
        self._calling = False
        self._header = ""
        # One that begins a message belongs to its header.
        return text[end.start() if end[0] in (START, CHANNEL) else end.end() :]

    def _in_header(self, text: str, said: list[str]) -> str:
        """More of a header; what is left behind it."""
        whole = (self._header or "") + text
        self._header = whole
        place = whole.find(MESSAGE, 0, LONGEST_HEADER + len(MESSAGE))
        if _begins_header(whole):
            if place < 0 and len(whole) < LONGEST_HEADER + len(MESSAGE):
                return ""
            if place >= 0 and (frame := self._begin(whole[:place])) is not None:
                said.append(frame)
                return whole[place + len(MESSAGE) :]
        # It is text, that which looks like a marker too: else that would be read as one again.
        self._header, self._thinking, self._calling = None, False, False
        marker = _LEADING_MARKER.match(whole)
        end = marker.end() if marker else 0
        said.append(whole[:end])
        return whole[end:]

    def _begin(self, header: str) -> str | None:
        """Begins a message; returns what stands before it, the frame of a call. None: the header is none."""
        found = _HEADER.match(header)
        if found is None:
            return None
        recipient = found["before"] or found["behind"] or ""
        self._header = None
        self._calling = recipient not in _PEOPLE
        self._thinking = found["channel"] == _THINKING and not self._calling
        return call_frame(recipient) if self._calling else ""


def call_frame(recipient: str) -> str:
    """What stands before the arguments of a call."""
    return f"{START}{ROLE} to={recipient}{CHANNEL}commentary{MESSAGE}"


def _begins_header(text: str) -> bool:
    """Whether a header may begin like this. What is once said never changes."""
    bare = text.lstrip()
    return any(bare.startswith(opening) or opening.startswith(bare) for opening in _OPENINGS)


class HarmonyCalls:
    """The calls that `HarmonyParser` leaves, and those of a text that it did not see."""

    pairs: Sequence[tuple[str, str]] = ((f"{START}{ROLE} to=", CALL), (f"{CHANNEL}commentary to=", CALL))

    def calls(self, opening: str, body: str, tools: Tools) -> list[ToolCall] | None:
        """See `CallFormat`."""
        found = _CALL.match(body)
        if found is None:
            return None
        text = found["arguments"].strip() or "{}"
        try:
            value, end = json_value(text)
        except ValueError:
            return None
        call = call_of({"name": found["name"], "arguments": value}, "arguments") if end == len(text) else None
        return None if call is None else [call]

    def goes_on(self, opening: str, body: str) -> bool:
        """Never: the marker is a token of its own."""
        return False
