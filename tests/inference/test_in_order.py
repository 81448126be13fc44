"""Calls of one request, a few at once."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from inference.errors import BackendFailed, BackendUnavailable
from inference.pipeline.in_order import in_order


async def collect(count: int, work: Callable[[int], Awaitable[int]], *, at_once: int = 3) -> list[int]:
    async with aclosing(in_order(range(count), work, at_once=at_once)) as found:
        return [result async for result in found]


async def test_results_come_in_order_however_long_each_takes():
    running = most = 0

    async def work(piece: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (5 - piece % 5))
        running -= 1
        return piece * piece

    assert await collect(10, work) == [piece * piece for piece in range(10)]
    assert most == 3


async def test_the_first_result_does_not_wait_for_the_last():
    gate = asyncio.Event()

    async def work(piece: int) -> int:
        if piece:
            await gate.wait()
        return piece

    async with aclosing(in_order(range(3), work, at_once=3)) as found:
        assert await anext(found) == 0
        gate.set()
        assert [result async for result in found] == [1, 2]


async def test_full_engines_make_for_fewer_calls_at_once():
    running = 0

    async def work(piece: int) -> int:
        nonlocal running
        if running:
            raise BackendUnavailable("full")
        running += 1
        await asyncio.sleep(0.001)
        running -= 1
        return piece

    assert await collect(6, work) == list(range(6))


async def test_what_is_given_back_when_all_others_are_done_is_not_forgotten():
    late = asyncio.Event()

    async def work(piece: int) -> int:
        if piece == 2:
            await late.wait()
            raise BackendUnavailable("full")
        late.set()
        return piece

    async with asyncio.timeout(5):
        with pytest.raises(BackendUnavailable):
            await collect(3, work)


async def test_engines_that_are_gone_are_told_of_in_the_end():
    tried: list[int] = []

    async def work(piece: int) -> int:
        tried.append(piece)
        raise BackendUnavailable("gone")

    with pytest.raises(BackendUnavailable):
        await collect(8, work)
    assert len(tried) == 3


async def test_a_failure_ends_the_rest():
    cancelled: list[int] = []

    async def work(piece: int) -> int:
        if piece == 1:
            raise BackendFailed("broken")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(piece)
            raise
        return piece

    with pytest.raises(BackendFailed):
        await collect(9, work)
    assert cancelled == [0, 2]


async def test_closing_ends_the_rest():
    cancelled: list[int] = []

    async def work(piece: int) -> int:
        try:
            await asyncio.sleep(60 if piece else 0)
        except asyncio.CancelledError:
            cancelled.append(piece)
            raise
        return piece

    async with aclosing(in_order(range(9), work, at_once=3)) as found:
        assert await anext(found) == 0
    assert sorted(cancelled) == [1, 2, 3]
