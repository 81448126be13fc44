"""The parsing step for models that write in channels (gpt-oss): thinking and answer may take turns."""

from collections.abc import Sequence

from inference.generation import ChosenToken, Event, Generation, ReasoningDelta, TextDelta
from inference.held_back import held_back
from inference.parsers import HarmonyParser
from inference.tokenization import Tokenizer, count_answer


class ChannelThinking:
    """One choice, for `inference.parsing.parsed`.

    Tokens of headers and markers are the thinking's, those of calls and of what ends the answer are the answer's.
    """

    __slots__ = ("_logprobs", "_tokenizer", "parser", "tokens")

    # Until its end, any message may be followed by one of another channel.
    over = False

    def __init__(self, generation: Generation, tokenizer: Tokenizer) -> None:
        self.parser = HarmonyParser(generation.prompt)
        asked = generation.top_logprobs is not None
        self._logprobs = _ReadLogprobs(HarmonyParser(generation.prompt)) if asked else None
        self._tokenizer = tokenizer
        self.tokens = 0

    async def parts(self, event: TextDelta) -> Sequence[Event]:
        """What a delta comes to."""
        answering = self.parser.in_answer
        reasoning, content = self.parser.feed(event.text)
        logprobs = None
        if self._logprobs is not None and event.logprobs:
            logprobs = self._logprobs.feed(event.logprobs)
        if reasoning or content:
            answered = await self._answered(event, reasoning, content)
        else:
            # A part of a header or a marker, or of text that is held back; or what ends the answer.
            answered = event.tokens if answering and self.parser.in_answer else 0
        thought = event.tokens - answered
        self.tokens += thought
        parts: list[Event] = []
        if reasoning or thought:
            parts.append(ReasoningDelta(event.index, reasoning, thought))
        if content or answered or logprobs:
            parts.append(TextDelta(event.index, content, answered, logprobs))
        return parts

    async def _answered(self, event: TextDelta, reasoning: str, content: str) -> int:
        """How many of a delta's tokens are the answer's."""
        if not content:
            return 0
        if not reasoning and len(content) >= len(event.text):
            return event.tokens
        # It holds headers, or ends a message of the other kind.
        return min(event.tokens, await count_answer(self._tokenizer, content)) if event.tokens else 0

    def rest(self, index: int) -> Sequence[Event]:
        """What was held back, when the choice ends."""
        return held_back(index, self.parser.finish(), None if self._logprobs is None else self._logprobs.rest())


class _ReadLogprobs:
    """Picks the tokens that the user reads out of all that come with logprobs, by their own texts."""

    __slots__ = ("_held", "_parser")

    def __init__(self, parser: HarmonyParser) -> None:
        self._parser = parser
        self._held: list[ChosenToken] = []

    def feed(self, tokens: Sequence[ChosenToken]) -> tuple[ChosenToken, ...] | None:
        """Those of the answer; None: none."""
        found: list[ChosenToken] = []
        for token in tokens:
            content = self._parser.feed(token.token).content
            if self._parser.holding:
                self._held.append(token)
                continue
            if content and self._parser.in_text:
                found += [*self._held, token]
            self._held.clear()
        return tuple(found) or None

    def rest(self) -> tuple[ChosenToken, ...] | None:
        """Those that were held back and are the answer's after all."""
        return tuple(self._held) if self._held and self._parser.finish().content else None
