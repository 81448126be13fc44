"""Several choices become one stream, and end together."""

import asyncio
from contextlib import aclosing

import pytest
from msgspec.structs import replace

from inference.choices import every_choice
from inference.errors import BackendFailed, BackendUnavailable
from inference.generation import Finish, Generation, Sampling, TextDelta, Usage


def generation(n: int, seed: int | None = None) -> Generation:
    return Generation("r", "Hello", 4, 10, Sampling(seed=seed), n=n)


async def test_choices_are_told_apart_and_counted_together():
    seeds = []

    async def answering(single):
        seeds.append(single.sampling.seed)
        yield Usage(4, 0)
        yield TextDelta(0, f"seed {single.sampling.seed}", 2)
        yield Usage(4, 2)
        yield Finish(0, "stop")

    events = [event async for event in every_choice([generation(3, seed=5)], answering)]
    assert sorted(seeds) == [5, 6, 7]
    assert {event.index: event.text for event in events if isinstance(event, TextDelta)} == {
        0: "seed 5",
        1: "seed 6",
        2: "seed 7",
    }
    assert sorted(event.index for event in events if isinstance(event, Finish)) == [0, 1, 2]
    assert [event for event in events if isinstance(event, Usage)][-1] == Usage(4, 6)
    assert isinstance(events[-1], Finish)


async def test_choices_of_several_prompts_are_numbered_one_prompt_after_the_other():
    async def answering(single):
        yield Usage(len(single.prompt), 0)
        yield TextDelta(0, f"{single.prompt} {single.sampling.seed}", 1)
        yield Usage(len(single.prompt), 1, cached_input_tokens=2)
        yield Finish(0, "stop")

    prompts = [replace(generation(2, seed=5), prompt=prompt) for prompt in ("Hello", "Bye")]
    events = [event async for event in every_choice(prompts, answering)]
    texts = {event.index: event.text for event in events if isinstance(event, TextDelta)}
    assert texts == {0: "Hello 5", 1: "Hello 6", 2: "Bye 5", 3: "Bye 6"}
    assert sorted(event.index for event in events if isinstance(event, Finish)) == [0, 1, 2, 3]
    assert [event for event in events if isinstance(event, Usage)][-1] == Usage(8, 4, cached_input_tokens=4)


async def test_the_first_error_ends_all():
    closed = []

    async def answering(single):
        try:
            if single.sampling.seed == 1:
                raise BackendFailed("broken")
            while True:
                yield TextDelta(0, "more", 1)
                await asyncio.sleep(0)
        finally:
            closed.append(single.sampling.seed)

    with pytest.raises(BackendFailed):
        async for _ in every_choice([generation(3, seed=0)], answering):
            pass
    assert sorted(closed) == [0, 1, 2]


async def test_closing_the_stream_closes_every_choice():
    closed = []

    async def answering(single):
        try:
            while True:
                yield TextDelta(0, "more", 1)
        finally:
            closed.append(single.sampling.seed)

    async with aclosing(every_choice([generation(2, seed=0)], answering)) as events:
        async for _ in events:
            break
    assert sorted(closed) == [0, 1]


async def test_a_slow_client_holds_the_engines_back():
    made = 0

    async def answering(single):
        nonlocal made
        while True:
            made += 1
            yield TextDelta(0, "more", 1)

    async with aclosing(every_choice([generation(2)], answering)) as events:
        await anext(events)
        await asyncio.sleep(0.05)
    assert made < 100


async def test_a_choice_waits_for_the_place_of_another():
    free = 1

    async def answering(single):
        nonlocal free
        if not free:
            raise BackendUnavailable("full")
        free -= 1
        try:
            await asyncio.sleep(0.05)
            yield TextDelta(0, "text", 1)
            yield Usage(4, 1)
            yield Finish(0, "stop")
        finally:
            free += 1

    events = [event async for event in every_choice([generation(3)], answering)]
    assert sorted(event.index for event in events if isinstance(event, Finish)) == [0, 1, 2]


async def test_where_no_choice_finds_a_place_the_request_is_refused():
    async def answering(single):
        raise BackendUnavailable("full")
        yield

    with pytest.raises(BackendUnavailable):
        async for _ in every_choice([generation(2)], answering):
            pass
