"""The metering step: watches a request's events, prices them and commits the usage record before the end goes out."""

import asyncio
import time
import uuid
import weakref
from collections.abc import Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, TypedDict, Unpack

from accounts.errors import ApiError
from accounts.principals import Principal
from billing.entry import UsageEntry
from billing.metering import writer
from billing.models import Outcome, TokenSource
from billing.pricing import Price
from billing.rating import rate
from inference.errors import AnswerUnfit, ShuttingDown
from inference.generation import EventStream, Finish, Generation, ReasoningDelta, TextDelta, ToolCalled, Usage
from inference.tokenization import INLINE_CHARACTERS, Tokenizer, count_answer, count_tokens

# The tasks of requests that are cancelled because the client hung up; any other cancellation is our own end. A
# message of the cancellation would not do: libraries on its way raise another without one.
clients_gone: "weakref.WeakSet[asyncio.Task[Any]]" = weakref.WeakSet()
# A guess for what nobody counted and is too long to be counted on the event loop.
CHARACTERS_PER_TOKEN = 4
# How often a running request's counts are noted in the journal.
PROGRESS_SECONDS = 1.0


class Request(TypedDict):
    """What every meter is told of a request: `started_at` Unix seconds, `arrived` the monotonic clock's."""

    request_id: uuid.UUID
    principal: Principal
    model_id: str
    endpoint: str
    streamed: bool
    price: Price | None
    started_at: float
    arrived: float


class Meter:
    """One request's usage while it runs."""

    def __init__(
        self,
        *,
        request_id: uuid.UUID,
        principal: Principal,
        model_id: str,
        endpoint: str,
        streamed: bool,
        price: Price | None,
        input_tokens: int,
        token_source: TokenSource,
        started_at: float,
        arrived: float,
    ) -> None:
        """`started_at` is Unix seconds, `arrived` the monotonic clock's; `token_source` says how the input is known.

        Raises `MeteringUnavailable` when nothing can be recorded.
        """
        self._writer = writer()
        self._price = price
        self._arrived = arrived
        self._settled: asyncio.Future[None] | None = None
        self.entry = UsageEntry(
            id=request_id,
            organization_id=principal.organization_id,
            project_id=principal.project_id,
            api_key_id=principal.key_id,
            model_id=model_id,
            endpoint=endpoint,
            streamed=streamed,
            input_tokens=input_tokens,
            token_source=token_source,
            # For the sweep, should this process be killed.
            price_version_id=None if price is None else price.version_id,
            started_at=started_at,
        )

    def begin(self, deployment: str) -> None:
        """The request goes to an engine; from here on a killed process leaves a trace in the journal."""
        self.entry.deployment = deployment
        if self.entry.queue_ms is None:
            self.entry.queue_ms = self._elapsed()
            self._writer.start(self.entry)

    def settle(self, outcome: Outcome, *, error_code: str = "") -> "asyncio.Future[None]":
        """Hands the record to the writer, once; the future is done when it is committed, which it is in any case.

        A client that left pays for what was generated until then; a failed request is recorded and costs nothing.
        """
        if self._settled is None:
            entry = self.entry
            entry.outcome = outcome
            entry.error_code = error_code
            entry.total_ms = self._elapsed()
            self._complete(outcome)
            rate(entry, self._price)
            self._settled = self._writer.submit(entry)
        return self._settled

    def _complete(self, outcome: Outcome) -> None:
        """Last counts, before the entry is rated."""

    def _elapsed(self) -> int:
        return round((time.monotonic() - self._arrived) * 1000)


class TextMeter(Meter):
    """The same for text that is generated, which is counted here where the engine does not."""

    def __init__(self, *, generations: Sequence[Generation], tokenizer: Tokenizer, **request: Unpack[Request]) -> None:
        """`generations`: one for each prompt; `tokenizer` counts what the engine did not; `request` as of `Meter`."""
        counted = all(generation.prompt_counted for generation in generations)
        super().__init__(
            **request,
            input_tokens=sum(generation.prompt_tokens for generation in generations),
            token_source=TokenSource.COUNTED if counted else TokenSource.ESTIMATED,
        )
        self._prompts = tuple(generation.prompt for generation in generations)
        self._tokenizer = tokenizer
        self._noted = self._arrived
        # By choice, what came without a count; an engine that counts leaves hardly anything here.
        self._uncounted: dict[int, list[str]] = {}
        self._uncounted_reasoning: dict[int, list[str]] = {}
        # Whether there was anything for the client to read.
        self._said = False

    @property
    def read(self) -> bool:
        """Whether the client has been sent something of the answer."""
        return self._said and self.entry.streamed

    def delta(self, event: TextDelta | ReasoningDelta) -> None:
        """More output."""
        entry = self.entry
        entry.output_tokens += event.tokens
        uncounted = self._uncounted
        if type(event) is ReasoningDelta:
            entry.reasoning_tokens += event.tokens + event.earlier
            uncounted = self._uncounted_reasoning
        if event.text:
            self._said = True
            if not event.tokens:
                uncounted.setdefault(event.index, []).append(event.text)
        now = time.monotonic()
        if entry.first_token_ms is None:
            entry.first_token_ms = self._elapsed()
        if now - self._noted > PROGRESS_SECONDS:
            self._noted = now
            self._writer.progress(entry)

    def call(self, event: ToolCalled) -> None:
        """A call, whose text an engine that does not count leaves to be counted."""
        self._said = True
        self._uncounted.setdefault(event.index, []).append(event.name + event.arguments)

    def usage(self, usage: Usage) -> None:
        """What the engine counted. Of several choices some may not have told of their output yet."""
        entry = self.entry
        entry.input_tokens = usage.input_tokens
        entry.output_tokens = max(entry.output_tokens, usage.output_tokens)
        entry.cached_input_tokens = usage.cached_input_tokens
        entry.reasoning_tokens = max(entry.reasoning_tokens, usage.reasoning_tokens)
        entry.token_source = usage.source

    def restart(self) -> None:
        """The answer begins again; what the engine that broke off had generated is on no bill."""
        self.entry.output_tokens = self.entry.reasoning_tokens = 0
        self.entry.first_token_ms = None
        self._uncounted.clear()
        self._uncounted_reasoning.clear()

    async def count_missing(self) -> Usage | None:
        """Counts what the engine did not, at the end of the answer; None where the engine told all."""
        entry = self.entry
        thoughts, answers = self._uncounted_texts()
        if entry.token_source == TokenSource.REPORTED and not (thoughts or answers):
            return None
        if entry.token_source == TokenSource.ESTIMATED:
            entry.input_tokens = sum([await count_tokens(self._tokenizer, prompt) for prompt in self._prompts])
        thought = sum([await count_answer(self._tokenizer, text) for text in thoughts])
        entry.reasoning_tokens += thought
        entry.output_tokens += thought + sum([await count_answer(self._tokenizer, text) for text in answers])
        entry.token_source = TokenSource.COUNTED
        return Usage(
            entry.input_tokens,
            entry.output_tokens,
            reasoning_tokens=entry.reasoning_tokens,
            source=TokenSource.COUNTED,
        )

    def _uncounted_texts(self) -> tuple[list[str], list[str]]:
        """What was thought and said for each choice, where the engine counted no output at all."""
        if self.entry.output_tokens:
            # Text that the engine held back and counted before.
            return [], []
        kinds = (self._uncounted_reasoning, self._uncounted)
        thoughts, answers = (["".join(texts) for texts in kind.values()] for kind in kinds)
        return thoughts, answers

    def _complete(self, outcome: Outcome) -> None:
        entry = self.entry
        if entry.token_source == TokenSource.ESTIMATED and sum(map(len, self._prompts)) <= INLINE_CHARACTERS:
            entry.input_tokens = sum(map(self._tokenizer.count, self._prompts))
            entry.token_source = TokenSource.COUNTED
        if outcome == Outcome.CANCELLED:
            self._guess_missing()

    def _guess_missing(self) -> None:
        """The output of a client that left and an engine that does not count: nobody waits here for a long count."""
        entry = self.entry
        thoughts, answers = self._uncounted_texts()
        thought = sum(map(self._guess, thoughts))
        entry.reasoning_tokens += thought
        entry.output_tokens += thought + sum(map(self._guess, answers))

    def _guess(self, text: str) -> int:
        """The tokens of a text, counted or estimated; notes which."""
        entry = self.entry
        if len(text) <= INLINE_CHARACTERS and entry.token_source != TokenSource.ESTIMATED:
            entry.token_source = TokenSource.COUNTED
            return self._tokenizer.count_answer(text)
        entry.token_source = TokenSource.ESTIMATED
        return max(1, len(text) // CHARACTERS_PER_TOKEN)


async def metered(events: EventStream, meter: TextMeter, *, choices: int) -> EventStream:
    """The same events; the last `Finish` only after the usage record is committed.

    Raises `MeteringUnavailable` when the record cannot be written: an answer that nobody can bill does not end well.
    """
    unfinished = choices
    async with Settling(meter), aclosing(events):
        try:
            async for event in events:
                kind = type(event)
                if kind is TextDelta or kind is ReasoningDelta:
                    meter.delta(event)  # type: ignore[arg-type]
                elif kind is ToolCalled:
                    meter.call(event)  # type: ignore[arg-type]
                elif kind is Usage:
                    meter.usage(event)  # type: ignore[arg-type]
                elif kind is Finish:
                    unfinished -= 1
                    if not unfinished:
                        if (usage := await meter.count_missing()) is not None:
                            yield usage
                        await meter.settle(Outcome.COMPLETED)
                else:
                    meter.restart()
                yield event
        except AnswerUnfit as error:
            if meter.read:
                await meter.count_missing()
                await meter.settle(Outcome.COMPLETED, error_code=error.code or error.type)
            raise


class Settling:
    """Settles a request whose work, in an `async with`, does not come to its end; what is settled already stays so."""

    __slots__ = ("_meter",)

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, ApiError):
            await self._meter.settle(Outcome.FAILED, error_code=error.code or error.type)
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            # GeneratorExit: it ended while an event was with the client, who may not have read it.
            settle_broken_off(self._meter)
        elif isinstance(error, Exception):
            self._meter.settle(Outcome.FAILED, error_code="server_error")


def settle_broken_off(meter: Meter) -> None:
    """Settles a request whose task ends before its answer."""
    task = asyncio.current_task()
    if task in clients_gone:
        meter.settle(Outcome.CANCELLED)
    elif task is not None and task.cancelling():
        meter.settle(Outcome.FAILED, error_code=ShuttingDown.code or "")
    else:
        # What made of the event what the client gets has failed.
        meter.settle(Outcome.FAILED, error_code="server_error")
