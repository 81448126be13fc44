"""The parsing step: what a model thinks comes out of its text as events of its own."""

from collections.abc import Sequence
from contextlib import aclosing

from inference.channels import ChannelThinking
from inference.generation import (
    ChosenToken,
    Event,
    EventStream,
    Finish,
    Generation,
    ReasoningDelta,
    Restart,
    TextDelta,
    Usage,
)
from inference.held_back import held_back
from inference.parsers import Channels, Markers, ReasoningParser
from inference.tokenization import Tokenizer, count_answer


async def parsed(
    events: EventStream, generation: Generation, markers: Markers | Channels, tokenizer: Tokenizer
) -> EventStream:
    """The events of one choice, with its thinking told from its answer; `Usage` says how many tokens that took.

    Tokens of the markers are the thinking's, logprobs come for the answer alone. Where a delta holds both, `tokenizer`
    says how many of its tokens are the answer's. An engine that holds text back, as it does for stop sequences, counts
    tokens before their text: the few at the end of the thinking are then the thinking's.
    """
    thinking = _begun(generation, markers, tokenizer)
    async with aclosing(events):
        async for event in events:
            if type(event) is TextDelta:
                if thinking.over:
                    yield event
                elif event.logprobs is None and thinking.parser.is_thought(event.text):
                    # Most of it comes like this.
                    thinking.tokens += event.tokens
                    yield ReasoningDelta(event.index, event.text, event.tokens)
                else:
                    for part in await thinking.parts(event):
                        yield part
                continue
            if type(event) is Usage:
                event.reasoning_tokens = max(event.reasoning_tokens, thinking.tokens)
            elif type(event) is Finish:
                for part in thinking.rest(event.index):
                    yield part
            elif type(event) is Restart:
                thinking = _begun(generation, markers, tokenizer)
            yield event


def _begun(generation: Generation, markers: Markers | Channels, tokenizer: Tokenizer) -> "_Thinking | ChannelThinking":
    """One choice at its beginning."""
    if isinstance(markers, Channels):
        return ChannelThinking(generation, tokenizer)
    return _Thinking(generation, markers, tokenizer)


class _Thinking:
    """One choice until its answer has begun."""

    __slots__ = ("_logprobs", "_tokenizer", "_undecided", "over", "parser", "tokens")

    def __init__(self, generation: Generation, markers: Markers, tokenizer: Tokenizer) -> None:
        self.parser = ReasoningParser(markers, generation.prompt)
        asked = generation.top_logprobs is not None
        self._logprobs = _AnswerLogprobs(ReasoningParser(markers, generation.prompt)) if asked else None
        self._tokenizer = tokenizer
        # Tokens of which it is not known yet whether they open the thinking.
        self._undecided = 0
        self.tokens = 0
        # Whether all that follows is answer.
        self.over = self.parser.answering

    async def parts(self, event: TextDelta) -> Sequence[Event]:
        """What a delta comes to."""
        reasoning, content = self.parser.feed(event.text)
        logprobs = None
        if self._logprobs is not None and event.logprobs:
            logprobs = self._logprobs.feed(event.logprobs)
        if self.parser.undecided:
            self._undecided += event.tokens
            return (TextDelta(event.index, "", event.tokens, logprobs),)
        answered = await self._answered(event, content)
        thought, earlier, self._undecided = event.tokens - answered, self._undecided, 0
        if self.parser.answering:
            self.over = self._logprobs is None or self._logprobs.over
        parts: list[Event] = []
        if reasoning or thought or (earlier and not self.parser.answering):
            self.tokens += thought + earlier
            parts.append(ReasoningDelta(event.index, reasoning, thought, earlier))
        if content or answered or logprobs:
            parts.append(TextDelta(event.index, content, answered, logprobs))
        return parts

    async def _answered(self, event: TextDelta, content: str) -> int:
        """How many of a delta's tokens are the answer's."""
        if not self.parser.answering:
            return 0
        if len(content) >= len(event.text):
            return event.tokens
        # It ends the thinking and begins the answer.
        return min(event.tokens, await count_answer(self._tokenizer, content)) if event.tokens else 0

    def rest(self, index: int) -> Sequence[Event]:
        """What was held back, when the choice ends."""
        return held_back(index, self.parser.finish(), None if self._logprobs is None else self._logprobs.rest())


class _AnswerLogprobs:
    """Picks the answer's tokens out of all that come with logprobs.

    By their own texts: an engine may send tokens before the text that they are part of.
    """

    __slots__ = ("_held", "_parser")

    def __init__(self, parser: ReasoningParser) -> None:
        self._parser = parser
        self._held: list[ChosenToken] = []

    @property
    def over(self) -> bool:
        """Whether all that follow are the answer's."""
        return self._parser.answering

    def feed(self, tokens: Sequence[ChosenToken]) -> tuple[ChosenToken, ...] | None:
        """Those of the answer; None: none."""
        found: list[ChosenToken] = []
        for token in tokens:
            content = self._parser.feed(token.token).content
            if self._parser.undecided:
                self._held.append(token)
            elif content or self._parser.answering:
                found += [*self._held, token]
                self._held.clear()
            else:
                self._held.clear()
        return tuple(found) or None

    def rest(self) -> tuple[ChosenToken, ...] | None:
        """Those that were held back and are the answer's after all."""
        return tuple(self._held) or None
