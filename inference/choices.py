"""Several choices of one request: as many requests to engines, their events merged into one stream.

Engines disagree about n: vLLM's newer engine gives one choice a response without saying which, and refuses n > 1 at
temperature 0, where OpenAI repeats itself. Requests of one prompt share the engine's prefix cache.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import aclosing

from msgspec.structs import replace

from inference.generation import Event, Finish, Generation, TextDelta, Usage

# Events that may wait for a slow client before the engines are held back.
BUFFERED = 64

Queue = asyncio.Queue[tuple[int, Event | BaseException]]
Answering = Callable[[Generation], AsyncIterator[Event]]


async def every_choice(generation: Generation, answering: Answering) -> AsyncIterator[Event]:
    """The events of `generation.n` choices. `answering` answers a generation with n = 1.

    In `Usage` the prompt counts once, as OpenAI has it. The first error ends all.
    """
    queue: Queue = asyncio.Queue(BUFFERED)
    tasks = [
        asyncio.create_task(_pump(_single(generation, index), index, answering, queue)) for index in range(generation.n)
    ]
    counts: dict[int, Usage] = {}
    unfinished = generation.n
    try:
        while unfinished:
            index, event = await queue.get()
            if isinstance(event, BaseException):
                raise event
            if isinstance(event, Usage):
                counts[index] = event
                event = _together(counts.values())
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


async def _pump(generation: Generation, index: int, answering: Answering, queue: Queue) -> None:
    try:
        async with aclosing(answering(generation)) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, TextDelta | Finish):
                    event.index = index
                await queue.put((index, event))
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001
        # Whatever it is, the request's own task is the one to raise it.
        await queue.put((index, error))


def _together(counts: Collection[Usage]) -> Usage:
    return Usage(
        input_tokens=max(usage.input_tokens for usage in counts),
        output_tokens=sum(usage.output_tokens for usage in counts),
        cached_input_tokens=max(usage.cached_input_tokens for usage in counts),
        reasoning_tokens=sum(usage.reasoning_tokens for usage in counts),
        source=next(iter(counts)).source,
    )
