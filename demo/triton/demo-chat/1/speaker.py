"""Plans what to say: what was ordered, else calls, results, pictures, or an answer to the question."""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from calling import Caller
from constraints import obey
from conversation import Call, Conversation
from directives import Directives
from writer import Writer

if TYPE_CHECKING:
    from chatml import ChatML
    from harmony import Harmony
    from PIL.Image import Image

# What is said of pictures, in English or German.
Look = Callable[..., str]
# What no schema with a required field, no list of calls and no choice fits.
MISFIT = '{"misfit": '


class Speaker:
    """The answer to one conversation; the same one, orders and random state give the same words."""

    def __init__(
        self,
        conversation: Conversation,
        orders: Directives,
        constraint: Mapping[str, Any] | None,
        pictures: "list[Image]",
        look: Look,
        rng: random.Random,
    ) -> None:
        self._conversation = conversation
        self._orders = orders
        self._constraint = constraint
        self._pictures = pictures
        self._look = look
        self._rng = rng
        self._writer = Writer(conversation.turns, rng)

    def speech(self, dialect: "ChatML | Harmony") -> Iterator[str | None]:
        """Pieces of the answer, then None for its end, then ever more paragraphs for those who may not end there.

        An answer of an ordered form ends for good. Raises ValueError for a form that cannot be kept to.
        """
        orders, writer = self._orders, self._writer
        thought = writer.thought() if dialect.thinks(self._conversation) else None
        if self._conversation.gap is not None:
            yield orders.echo if orders.echo is not None else writer.filling(*self._conversation.gap)
            return
        if self._constraint is not None:
            yield from dialect.write(thought, MISFIT if orders.misfit else self._constrained(self._constraint), [])
            return
        fresh = not self._conversation.results
        if orders.malformed_call and fresh:
            yield from dialect.malformed(thought)
            return
        calls = self._calls() if fresh else []
        if calls:
            yield from dialect.write(thought, orders.echo or "", calls)
            return
        yield from dialect.write(thought, self._text() if orders.echo is None else orders.echo, [])
        while True:
            yield None
            yield "\n\n" + writer.more()

    def _calls(self) -> list[Call]:
        if self._orders.calls:
            return self._orders.calls
        if self._orders.echo is not None or not self._conversation.tools:
            return []
        return self._caller().calls()

    def _caller(self) -> Caller:
        writer = self._writer
        return Caller(self._conversation.tools, self._conversation.question, self._rng, writer.word, writer.sentence)

    def _text(self) -> str:
        if self._conversation.results:
            return self._writer.from_results([(result.name, result.text) for result in self._conversation.results])
        if self._pictures:
            return self._look(self._pictures, german=self._writer.german)
        return self._writer.answer()

    def _constrained(self, constraint: Mapping[str, Any]) -> str:
        conversation = self._conversation
        forced = [] if conversation.results else self._orders.calls
        return obey(
            constraint,
            self._writer,
            conversation.question,
            conversation.tools,
            forced,
            self._rng,
            answering=bool(conversation.results),
        )
