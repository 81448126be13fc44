"""The copy that requests share: how old it may be, and what a change, a crowd and a database that fails do to it."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from inference.errors import BackendUnavailable
from inference.snapshots import GRACE_SECONDS, PAUSE_SECONDS, WAIT_SECONDS, SnapshotCache


class Source:
    """What there is to load; `value` is what it says now."""

    def __init__(self) -> None:
        self.value = 0
        self.loads = 0
        self.seconds = 0.0
        self.fails = False
        self.free = threading.Event()
        self.free.set()

    def __call__(self) -> int:
        """One load, in a thread."""
        self.loads += 1
        read = self.value
        time.sleep(self.seconds)
        self.free.wait(10)
        if self.fails:
            raise OSError
        return read


@pytest.fixture
def source() -> Source:
    return Source()


async def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    begin = time.monotonic()
    while not holds():
        assert time.monotonic() - begin < seconds
        await asyncio.sleep(0.005)


async def test_a_crowd_loads_once(source):
    cache = SnapshotCache(source, 60)
    assert await asyncio.gather(*(cache.current() for _ in range(100))) == [0] * 100
    assert source.loads == 1


async def test_a_change_makes_nobody_wait_and_holds_soon(source):
    cache = SnapshotCache(source, 60)
    await cache.current()
    source.seconds, source.value = 0.3, 1
    cache.invalidate()
    begin = time.monotonic()
    answers = await asyncio.gather(*(cache.current() for _ in range(100)))
    assert (set(answers), time.monotonic() - begin < 0.25) == ({0}, True)
    for _ in range(100):
        await asyncio.sleep(0.01)
        if await cache.current() == 1:
            break
    assert time.monotonic() - begin < GRACE_SECONDS + 0.5
    assert source.loads == 2


async def test_a_change_is_loaded_without_anybody_asking(source):
    cache = SnapshotCache(source, 60)
    await cache.current()
    source.value = 1
    await asyncio.to_thread(cache.invalidate)
    await until(lambda: source.loads == 2)


async def test_a_change_that_takes_long_to_load_is_waited_for_after_the_grace(source):
    cache = SnapshotCache(source, 60)
    await cache.current()
    source.seconds, source.value = GRACE_SECONDS + 0.4, 1
    cache.invalidate()
    await asyncio.sleep(GRACE_SECONDS + 0.1)
    assert await cache.current() == 1


async def test_a_change_during_a_load_is_loaded_too(source):
    cache = SnapshotCache(source, 60)
    await cache.current()
    source.free.clear()
    cache.invalidate()
    await until(lambda: source.loads == 2)
    source.value = 1
    cache.invalidate()
    source.free.set()
    await until(lambda: source.loads == 3)
    await asyncio.sleep(0.05)
    assert await cache.current() == 1


async def test_a_thousand_changes_are_a_handful_of_loads_and_never_a_second_old(source):
    cache = SnapshotCache(source, 60)
    await cache.current()
    begin = time.monotonic()
    written = [begin]
    for _ in range(1000):
        source.value += 1
        written.append(time.monotonic())
        cache.invalidate()
        await asyncio.sleep(0.001)
        assert time.monotonic() - written[min(await cache.current() + 1, source.value)] < 1.0
    assert source.loads <= (time.monotonic() - begin) / PAUSE_SECONDS + 2
    await asyncio.sleep(0.5)
    assert await cache.current() == 1000


async def test_an_old_snapshot_is_renewed_behind_requests_and_a_very_old_one_before_them(source):
    cache = SnapshotCache(source, 0.3)
    await cache.current()
    source.value = 1
    await asyncio.sleep(0.4)
    assert await cache.current() == 0
    await until(lambda: source.loads == 2)
    source.value = 2
    await asyncio.sleep(0.7)
    assert await cache.current() == 2


async def test_a_load_that_outlasts_its_time_to_live_is_good_for_who_waited(source):
    source.seconds = 0.05
    cache = SnapshotCache(source, 0.0)
    assert await asyncio.wait_for(cache.current(), 2) == 0


@pytest.mark.faults
async def test_where_loading_fails_requests_go_on_at_once_with_what_is_there(source):
    cache = SnapshotCache(source, 0.1)
    await cache.current()
    source.fails, source.seconds = True, 0.1
    cache.invalidate()
    await until(lambda: source.loads == 2)
    await asyncio.sleep(0.3)
    begin = time.monotonic()
    assert [await cache.current() for _ in range(100)] == [0] * 100
    assert time.monotonic() - begin < 0.5
    source.fails, source.value = False, 1
    await until(lambda: source.loads == 3)
    await asyncio.sleep(0.2)
    assert await cache.current() == 1


@pytest.mark.faults
async def test_a_load_that_hangs_keeps_nobody_for_long(source):
    cache = SnapshotCache(source, 0.0)
    await cache.current()
    source.free.clear()
    begin = time.monotonic()
    assert await cache.current() == 0
    assert time.monotonic() - begin < WAIT_SECONDS + 0.5
    assert [await cache.current() for _ in range(100)] == [0] * 100
    assert time.monotonic() - begin < WAIT_SECONDS + 0.6
    source.value = 1
    source.free.set()
    await until(lambda: source.loads >= 3)


@pytest.mark.faults
async def test_without_a_first_snapshot_a_failure_is_an_error_worth_a_retry(source):
    cache = SnapshotCache(source, 60)
    source.fails = True
    with pytest.raises(BackendUnavailable) as unavailable:
        await cache.current()
    assert unavailable.value.headers == {"retry-after": "1"}
    source.fails = False
    await until(lambda: source.loads == 2)
    await asyncio.sleep(0.05)
    assert await cache.current() == 0
