"""`kill -9` of the web process, again and again: what clients saw complete is on the bill, once and with its counts."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.live.asking import bearer
from tests.live.forked_web import WebProcesses
from tests.live.metered_client import Seen, check_recorded, listen, paced_engine, records
from tests.stack import Stack, start_stack

pytestmark = [pytest.mark.live, pytest.mark.faults]

ROUNDS = 20
STREAMS = 50
PACE = 100
# Between a twentieth of a second and one.
TOKENS = (5, 100)
# How many streams end before their process does.
ENDED = (5, 35)


@pytest.fixture(scope="module")
def installation(scratch: Path) -> Iterator[Stack]:
    """One of this module's own, on a light engine."""
    with paced_engine() as engine, start_stack(scratch / "killed", engine, servers=()) as stack:
        yield stack


@pytest.fixture(scope="module")
def web(installation: Stack) -> Iterator[WebProcesses]:
    """Its web processes."""
    processes = WebProcesses(installation.env, installation.log_dir / "killed.log")
    yield processes
    processes.end()


async def one_round(web: WebProcesses, key: str, dice: random.Random) -> list[Seen]:
    """Streams, in the midst of which their process is killed; what their clients saw.

    It dies in the moment in which a client has seen the end of its answer: what is written after that is missing.
    """
    pid, url = web.start()
    left = dice.randint(*ENDED)

    def whole() -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(pid, signal.SIGKILL)

    async with aiohttp.ClientSession(headers=bearer(key), connector=aiohttp.TCPConnector(limit=0)) as http:
        # Whoever comes first waits for what every process reads once.
        first = await listen(http, url, 1, 0)
        lengths = [dice.randint(*TOKENS) for _ in range(STREAMS)]
        return [first, *await asyncio.gather(*(listen(http, url, tokens, PACE, whole=whole) for tokens in lengths))]


def test_after_kill_9_what_clients_saw_is_recorded_once_and_what_was_cut_off_is_closed(installation, web):
    dice = random.Random(9)
    seen: list[Seen] = []
    for _ in range(ROUNDS):
        seen += asyncio.run(one_round(web, installation.api_key, dice))
    installation.manage("shell", "--no-imports", "-c", "from billing.tasks import *; close_interrupted_requests()")

    found = records(installation)
    outcomes: Counter[str] = Counter()
    for one in seen:
        assert one.error is None, one
        if one.done:
            check_recorded(one, found[one.request_id])
        elif one.request_id:
            assert one.status == 200
            row = found[one.request_id]
            outcomes[row["outcome"]] += 1
            # Completed: committed, and cut off before the client had the end.
            assert row["outcome"] in {"interrupted", "completed"}
            assert row["token_source"] == ("estimated" if row["outcome"] == "interrupted" else "reported")
            assert row["output_tokens"] <= TOKENS[1]
            assert row["cost_nano"] == row["due_nano"] > 0
    assert sum(one.done for one in seen) >= ROUNDS * ENDED[0]
    assert outcomes["interrupted"] > ROUNDS * (STREAMS - ENDED[1]) / 2, "Hardly any stream was cut off."
    # None is there that nobody asked for.
    begun = {one.request_id for one in seen if one.request_id}
    assert len(set(found) - begun) <= sum(not one.request_id for one in seen)
    assert {row["outcome"] for row in found.values()} <= {"completed", "interrupted"}
    left = [path for kind in ("journal", "spool") for path in (installation.var_dir / kind).rglob("*.jsonl")]
    assert left == []
