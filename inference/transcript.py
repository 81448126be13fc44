"""Gathers the events of an answer for a client that wants it whole."""

from contextlib import aclosing

from msgspec import Struct

from inference.generation import (
    ChosenToken,
    EventStream,
    Finish,
    ReasoningDelta,
    Restart,
    TextDelta,
    ToolCalled,
    Usage,
)


class Choice(Struct, gc=False):
    """A finished answer, and what was thought before it."""

    index: int
    text: str
    finish_reason: str
    logprobs: tuple[ChosenToken, ...] = ()
    reasoning: str = ""
    calls: tuple[ToolCalled, ...] = ()


class Transcript:
    """Gathers a stream's events for a client that wants one body."""

    def __init__(self, n: int = 1) -> None:
        self._texts: list[list[str]] = [[] for _ in range(n)]
        self._thoughts: list[list[str]] = [[] for _ in range(n)]
        self._logprobs: list[list[ChosenToken]] = [[] for _ in range(n)]
        self._calls: list[list[ToolCalled]] = [[] for _ in range(n)]
        self._reasons: list[str | None] = [None] * n

    def add(self, event: TextDelta | ReasoningDelta | ToolCalled | Finish) -> None:
        """Notes more of a choice; what comes after its end is dropped."""
        index = event.index
        if self._reasons[index] is not None:
            return
        if type(event) is TextDelta:
            self._texts[index].append(event.text)
            if event.logprobs:
                self._logprobs[index].extend(event.logprobs)
        elif type(event) is ReasoningDelta:
            self._thoughts[index].append(event.text)
        elif type(event) is ToolCalled:
            self._calls[index].append(event)
        elif type(event) is Finish:
            self._reasons[index] = event.reason

    def unfinished(self) -> list[int]:
        """The choices without an end."""
        return [index for index, reason in enumerate(self._reasons) if reason is None]

    def choices(self) -> list[Choice]:
        """The finished choices in order."""
        gathered = zip(self._texts, self._reasons, self._logprobs, self._thoughts, self._calls, strict=True)
        return [
            Choice(index, "".join(texts), reason, tuple(logprobs), "".join(thoughts), tuple(calls))
            for index, (texts, reason, logprobs, thoughts, calls) in enumerate(gathered)
            if reason is not None
        ]


async def collected(events: EventStream, *, choices: int) -> tuple[list[Choice], Usage]:
    """The finished choices of a stream that is read to its end, and what they took."""
    transcript = Transcript(choices)
    usage = Usage(0, 0)
    async with aclosing(events):
        async for event in events:
            # Most of them.
            if type(event) is TextDelta:
                transcript.add(event)
            elif isinstance(event, Usage):
                usage = event
            elif isinstance(event, Restart):
                transcript = Transcript(choices)
            else:
                transcript.add(event)
    return transcript.choices(), usage
