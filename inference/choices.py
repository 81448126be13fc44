"""Several choices of one request, of one prompt or several: a request to an engine each, merged into one stream.

Engines disagree about n: vLLM's newer engine gives one choice a response without saying which, and refuses n > 1 at
temperature 0, where OpenAI repeats itself. Requests of one prompt share the engine's prefix cache.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing

from msgspec.structs import replace

from inference.errors import BackendUnavailable
from inference.generation import Event, EventStream, Finish, Generation, ReasoningDelta, TextDelta, ToolCalled, Usage

# Events that may wait for a slow client before the engines are held back.
BUFFERED = 64
# Choices of one request that run side by side: one customer's n = 128 must not fill the deployments of all.
AT_ONCE = 4
# How long a later choice waits for a free place, once the first has begun.
PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.1

Queue = asyncio.Queue[tuple[int, Event | BaseException]]
Answering = Callable[[Generation], EventStream]


async def every_choice(generations: Sequence[Generation], answering: Answering) -> EventStream:
    """The events of all choices of all generations, numbered one generation after the other.

    `answering` answers a generation with n = 1. In `Usage` a prompt counts once, as OpenAI has it, and from when an
    engine has told of it. The first error ends all.
    """
    singles = [
        (_single(generation, choice), prompt)
        for prompt, generation in enumerate(generations)
        for choice in range(generation.n)
    ]
    queue: Queue = asyncio.Queue(BUFFERED)
    run = _Run(answering, queue)
    tasks = [asyncio.create_task(run.pump(single, index)) for index, (single, _) in enumerate(singles)]
    counts: dict[int, Usage] = {}
    unfinished = len(singles)
    try:
        while unfinished:
            index, event = await queue.get()
            if isinstance(event, BaseException):
                raise event
            if isinstance(event, Usage):
                counts[index] = event
                event = _together([(singles[known][1], usage) for known, usage in counts.items()])
            elif isinstance(event, Finish):
                unfinished -= 1
            yield event
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _single(generation: Generation, index: int) -> Generation:
    sampling = generation.sampling
    if sampling.seed is not None:
        # The same seed would give the same text n times.
        sampling = replace(sampling, seed=sampling.seed + index)
    return replace(generation, n=1, sampling=sampling)


class _Run:
    """What the choices of one request share."""

    def __init__(self, answering: Answering, queue: Queue) -> None:
        self._answering = answering
        self._queue = queue
        self._places = asyncio.Semaphore(AT_ONCE)
        self._began = False
        self._asking = 0

    async def pump(self, generation: Generation, index: int) -> None:
        """Puts one choice's events, or its error, into the queue."""
        try:
            async with self._places:
                await self._answer(generation, index)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001
            # Whatever it is, the request's own task is the one to raise it.
            await self._queue.put((index, error))

    async def _answer(self, generation: Generation, index: int) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            self._asking += 1
            try:
                async with aclosing(self._answering(generation)) as events:
                    async for event in events:
                        self._began = True
                        if isinstance(event, TextDelta | ReasoningDelta | ToolCalled | Finish):
                            event.index = index
                        await self._queue.put((index, event))
                return
            except BackendUnavailable:
                # It comes before a choice's first event. While others of the answer are under way or done, a place
                # is worth waiting for.
                others = self._asking > 1
                if not (self._began or others) or time.monotonic() > end:
                    raise
            finally:
                self._asking -= 1
            await asyncio.sleep(PAUSE_SECONDS)


def _together(counts: Sequence[tuple[int, Usage]]) -> Usage:
    """The sum of what the choices took, each with the number of its prompt."""
    inputs: dict[int, int] = {}
    cached: dict[int, int] = {}
    for prompt, usage in counts:
        inputs[prompt] = max(inputs.get(prompt, 0), usage.input_tokens)
        cached[prompt] = max(cached.get(prompt, 0), usage.cached_input_tokens)
    usages = [usage for _, usage in counts]
    return Usage(
        input_tokens=sum(inputs.values()),
        output_tokens=sum(usage.output_tokens for usage in usages),
        cached_input_tokens=sum(cached.values()),
        reasoning_tokens=sum(usage.reasoning_tokens for usage in usages),
        source=usages[0].source,
    )
