"""An engine that is too slow is given up in time; a client that reads slowly is not mistaken for one."""

import asyncio
import time

import pytest

from inference.deadline import Deadline
from inference.errors import BackendTimeout


async def test_the_first_token_has_its_own_limit():
    start = time.monotonic()
    with pytest.raises(BackendTimeout), Deadline(first=0.1, idle=5, total=5) as deadline:
        deadline.wait()
        await asyncio.sleep(10)
    assert 0.05 < time.monotonic() - start < 1


async def test_a_pause_between_tokens_has_a_limit():
    with pytest.raises(BackendTimeout), Deadline(first=5, idle=0.1, total=5) as deadline:
        deadline.wait()
        deadline.got()
        deadline.wait()
        await asyncio.sleep(10)
    assert deadline.expired


@pytest.mark.parametrize("first_after", [0.05, 0.15, 0.35])
async def test_a_pause_has_its_limit_however_late_the_first_token_came(first_after):
    with pytest.raises(BackendTimeout), Deadline(first=5, idle=0.1, total=5) as deadline:
        deadline.wait()
        await asyncio.sleep(first_after)
        deadline.got()
        start = time.monotonic()
        deadline.wait()
        await asyncio.sleep(10)
    assert 0.05 < time.monotonic() - start < 0.3


async def test_tokens_that_keep_coming_reset_the_pause_but_not_the_total():
    start = time.monotonic()
    with pytest.raises(BackendTimeout), Deadline(first=5, idle=0.2, total=0.5) as deadline:
        while True:
            deadline.wait()
            await asyncio.sleep(0.05)
            deadline.got()
    assert 0.4 < time.monotonic() - start < 1.5


@pytest.mark.parametrize("begun", [False, True])
async def test_a_total_shorter_than_the_other_limits_is_kept(begun):
    start = time.monotonic()
    with pytest.raises(BackendTimeout) as late, Deadline(first=5, idle=5, total=0.2) as deadline:
        deadline.wait()
        if begun:
            deadline.got()
            deadline.wait()
        await asyncio.sleep(10)
    assert 0.15 < time.monotonic() - start < 1
    assert late.value.overlong is begun, "an engine that never began is one that does not answer"


async def test_a_total_that_ended_while_the_client_read_counts_as_soon_as_the_engine_is_waited_for():
    start = time.monotonic()
    with pytest.raises(BackendTimeout), Deadline(first=5, idle=5, total=0.2) as deadline:
        deadline.wait()
        deadline.got()
        await asyncio.sleep(0.4)
        deadline.wait()
        await asyncio.sleep(10)
    assert 0.35 < time.monotonic() - start < 1


async def test_time_that_the_client_takes_does_not_count():
    with Deadline(first=5, idle=0.1, total=5) as deadline:
        deadline.wait()
        deadline.got()
        await asyncio.sleep(0.4)
        deadline.wait()
        await asyncio.sleep(0.01)
        deadline.got()
    assert not deadline.expired


async def test_a_cancellation_from_outside_stays_one():
    async def work():
        with Deadline(first=5, idle=5, total=5) as deadline:
            deadline.wait()
            await asyncio.sleep(10)

    task = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
