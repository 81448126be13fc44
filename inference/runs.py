"""Gathers the events of one answer for a client that wants it whole, in the order in which things were said."""

from contextlib import aclosing

from inference.generation import (
    ChosenToken,
    Event,
    EventStream,
    Finish,
    ReasoningDelta,
    Restart,
    TextDelta,
    ToolCalled,
    Usage,
)


async def runs_of(events: EventStream) -> list[Event]:
    """The events of one choice read to its end: deltas of a kind that follow each other as one, the count, the end.

    What came before a `Restart` is left out, and so is what comes after the end.
    """
    runs = _Runs()
    usage = Usage(0, 0)
    finish: Finish | None = None
    async with aclosing(events):
        async for event in events:
            if type(event) is TextDelta:
                runs.text(event)
            elif type(event) is ReasoningDelta:
                runs.thought(event)
            elif type(event) is ToolCalled:
                runs.call(event)
            elif type(event) is Usage:
                usage = event
            elif type(event) is Finish:
                finish = finish or event
            elif type(event) is Restart:
                runs = _Runs()
    found = runs.end()
    return found if finish is None else [*found, usage, finish]


class _Runs:
    def __init__(self) -> None:
        self._found: list[Event] = []
        self._kind: type[TextDelta] | type[ReasoningDelta] | None = None
        self._texts: list[str] = []
        self._logprobs: list[ChosenToken] = []

    def text(self, event: TextDelta) -> None:
        self._begin(TextDelta)
        self._texts.append(event.text)
        if event.logprobs:
            self._logprobs += event.logprobs

    def thought(self, event: ReasoningDelta) -> None:
        self._begin(ReasoningDelta)
        self._texts.append(event.text)

    def call(self, event: ToolCalled) -> None:
        self._end_run()
        self._found.append(event)

    def end(self) -> list[Event]:
        self._end_run()
        return self._found

    def _begin(self, kind: type[TextDelta] | type[ReasoningDelta]) -> None:
        if self._kind is not kind:
            self._end_run()
            self._kind = kind

    def _end_run(self) -> None:
        text = "".join(self._texts)
        if self._kind is TextDelta and (text or self._logprobs):
            self._found.append(TextDelta(0, text, logprobs=tuple(self._logprobs) or None))
        elif self._kind is ReasoningDelta and text:
            self._found.append(ReasoningDelta(0, text))
        self._kind = None
        self._texts, self._logprobs = [], []
