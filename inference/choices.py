"""Several choices of one request: as many requests to engines, their events merged into one stream.

Engines disagree about n: vLLM's newer engine gives one choice a response without saying which, and refuses n > 1 at
temperature 0, where OpenAI repeats itself. Requests of one prompt share the engine's prefix cache.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from msgspec.structs import replace

from inference.generation import Event, Finish, Generation, TextDelta, Usage

# Events that may wait for a slow client before the engines are held back.
BUFFERED = 64

Answering = Callable[[Generation], AsyncIterator[Event]]


async def every_choice(generation: Generation, answering: Answering) -> AsyncIterator[Event]:
    """The events of `generation.n` choices. `answering` answers a generation with n = 1.

    One `Usage` comes before the last `Finish`: the prompt counts once, as in OpenAI's usage. The first error ends all.
    """
    queue: asyncio.Queue[Event | BaseException] = asyncio.Queue(BUFFERED)
    tasks = [
        asyncio.create_task(_pump(_single(generation, index), index, answering, queue)) for index in range(generation.n)
    ]
    total: Usage | None = None
    unfinished = generation.n
    try:
        while unfinished:
            event = await queue.get()
            if isinstance(event, BaseException):
                raise event
            if isinstance(event, Usage):
                total = event if total is None else _together(total, event)
                continue
            if isinstance(event, Finish):
                unfinished -= 1
                if not unfinished and total is not None:
                    yield total
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


async def _pump(
    generation: Generation, index: int, answering: Answering, queue: "asyncio.Queue[Event | BaseException]"
) -> None:
    try:
        async with aclosing(answering(generation)) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, TextDelta | Finish):
                    event.index = index
                await queue.put(event)
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001
        # Whatever it is, the request's own task is the one to raise it.
        await queue.put(error)


def _together(one: Usage, other: Usage) -> Usage:
    return Usage(
        input_tokens=one.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cached_input_tokens=max(one.cached_input_tokens, other.cached_input_tokens),
        reasoning_tokens=one.reasoning_tokens + other.reasoning_tokens,
        source=one.source,
    )
