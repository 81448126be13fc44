"""Tells a model's thinking from its answer, by the markers around the thinking."""

from enum import Enum, auto
from typing import NamedTuple

from msgspec import Struct

from inference.parsers.markers import LINE_BREAKS, beginning

# An answer that begins with more than that does not begin with a marker.
MOST_LINE_BREAKS = 16


class Markers(Struct, frozen=True):
    """How a family of models marks its thinking.

    `thinks_unasked`: the answer begins with thinking even where neither prompt nor answer open it.
    `special_tokens`: the markers are special tokens, which an engine leaves out of the text unless told otherwise.
    """

    opening: str
    closing: str
    thinks_unasked: bool = False
    special_tokens: bool = False


class Parts(NamedTuple):
    """What a piece of text comes to; of the two, the thinking comes first."""

    reasoning: str
    content: str


NOTHING = Parts("", "")


class _Phase(Enum):
    START = auto()  # thinking may be opened
    EXPECTED = auto()  # it is thinking, which may still be opened
    OPENED = auto()  # behind the opening marker
    THINKING = auto()
    CLOSED = auto()  # behind the closing marker
    ANSWERING = auto()


class ReasoningParser:
    """Parses one answer. Thinking is what comes first, between the markers; what follows is the answer.

    Markers further on are text: an answer may be about them. Marker-like text that comes to nothing is text as well,
    and line breaks behind a marker are dropped; nothing else is lost, however the text is split.
    """

    __slots__ = ("_closing", "_held", "_opening", "_phase")

    def __init__(self, markers: Markers, prompt: str) -> None:
        """`prompt`: the whole or its end; where it opens or closes the thinking, the answer begins behind that."""
        self._opening = markers.opening
        self._closing = markers.closing
        # The beginning of what may be a marker, or line breaks before it.
        self._held = ""
        tail = prompt[-len(markers.closing) - MOST_LINE_BREAKS :].rstrip()
        if tail.endswith(markers.opening):
            self._phase = _Phase.EXPECTED
        elif tail.endswith(markers.closing):
            self._phase = _Phase.ANSWERING
        else:
            self._phase = _Phase.EXPECTED if markers.thinks_unasked else _Phase.START

    @property
    def undecided(self) -> bool:
        """Whether it is still open if the answer begins with thinking."""
        return self._phase is _Phase.START

    @property
    def answering(self) -> bool:
        """Whether all that follows is answer, so that it need not be parsed."""
        return self._phase is _Phase.ANSWERING

    def is_thought(self, text: str) -> bool:
        """Whether the text that follows is thinking and nothing else, so that it need not be fed."""
        return self._phase is _Phase.THINKING and not self._held and self._closing[0] not in text

    def feed(self, text: str) -> Parts:
        """More of the text."""
        if self.is_thought(text):
            return Parts(text, "")
        if self._phase is _Phase.ANSWERING:
            return Parts("", text)
        text, self._held = self._held + text, ""
        if self._phase is _Phase.START or self._phase is _Phase.EXPECTED:
            return self._begin(text)
        return self._go_on(text)

    def finish(self) -> Parts:
        """The text ends; a marker that was begun is none."""
        held, self._held = self._held, ""
        return Parts("", held) if self._phase is _Phase.START else Parts(held, "")

    def _begin(self, text: str) -> Parts:
        bare = text.lstrip(LINE_BREAKS)
        if len(text) - len(bare) <= MOST_LINE_BREAKS:
            if bare.startswith(self._opening):
                self._phase = _Phase.OPENED
                return self._go_on(bare[len(self._opening) :])
            if self._opening.startswith(bare):
                self._held = text
                return NOTHING
        if self._phase is _Phase.START:
            self._phase = _Phase.ANSWERING
            return Parts("", text)
        self._phase = _Phase.OPENED
        return self._go_on(text)

    def _go_on(self, text: str) -> Parts:
        reasoning = ""
        if self._phase is _Phase.OPENED:
            text = text.lstrip(LINE_BREAKS)
            if not text:
                return NOTHING
            self._phase = _Phase.THINKING
        if self._phase is _Phase.THINKING:
            end = text.find(self._closing)
            if end < 0:
                end = beginning(text, self._closing)
                self._held = text[end:]
                return Parts(text[:end], "")
            reasoning, text = text[:end], text[end + len(self._closing) :]
            self._phase = _Phase.CLOSED
        text = text.lstrip(LINE_BREAKS)
        if text:
            self._phase = _Phase.ANSWERING
        return Parts(reasoning, text)
