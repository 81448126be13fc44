"""A database that stops under load: streams go on, nothing is lost, nothing is there twice."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.live.asking import bearer
from tests.live.engines import eventually
from tests.live.metered_client import Seen, check_recorded, listen, paced_engine, records
from tests.relay import Relay, relayed
from tests.stack import Server, Stack, start_stack

pytestmark = [pytest.mark.live, pytest.mark.faults]

STREAMS = 30
TOKENS, PACE = 20, 20
OUTAGE_SECONDS = 10.0
# What a stream may stand still beside its pace; what the end of one may take while the writer finds out.
GAP_SECONDS = 1.0
END_SECONDS = 3.0


@pytest.fixture(scope="module")
def installation(scratch: Path) -> Iterator[Stack]:
    """One of this module's own, on a light engine, without a server."""
    with paced_engine() as engine, start_stack(scratch / "database", engine, servers=()) as stack:
        yield stack


class Database:
    """The installation's database as its web process sees it: stopped and started again."""

    def __init__(self, stop: Callable[[], None], start: Callable[[], None]) -> None:
        self.stop, self.start = stop, start


@contextmanager
def behind_a_relay(
    stack: Stack, stop: Callable[[Relay], None], start: Callable[[Relay], None]
) -> Iterator[tuple[Server, Database]]:
    """A web server whose PostgreSQL is stopped and started by acts of a relay."""
    with relayed(stack.database_url) as (relay, url), stack.serve(DATABASE_URL=url) as server:
        yield server, Database(lambda: stop(relay), lambda: start(relay))


@contextmanager
def on_a_file(stack: Stack) -> Iterator[tuple[Server, Database]]:
    """A web server whose SQLite another connection locks and leaves."""
    file = sqlite3.connect(stack.var_dir / "hanse.sqlite3", isolation_level=None, timeout=20, check_same_thread=False)
    with closing(file), stack.serve() as server:
        yield server, Database(lambda: file.execute("BEGIN EXCLUSIVE"), lambda: file.execute("ROLLBACK"))


async def under_load(server: Server, key: str, database: Database, seconds: float) -> list[Seen]:
    """Streams one after the other by every client, before, during and after the database was away."""
    seen: list[Seen] = []
    over = asyncio.Event()

    async def client(http: aiohttp.ClientSession, number: int) -> None:
        await asyncio.sleep(number / STREAMS)
        while not over.is_set():
            seen.append(await listen(http, server.url, TOKENS, PACE))

    async with aiohttp.ClientSession(headers=bearer(key), connector=aiohttp.TCPConnector(limit=0)) as http:
        await listen(http, server.url, 1, 0)
        clients = [asyncio.create_task(client(http, number)) for number in range(STREAMS)]
        await asyncio.sleep(1.5)
        await asyncio.to_thread(database.stop)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(database.start)
        await asyncio.sleep(1.5)
        over.set()
        await asyncio.gather(*clients)
    return seen


def spooled(stack: Stack) -> bool:
    """Whether anything waits in a spool."""
    return any((stack.var_dir / "spool").rglob("*.jsonl"))


def hold(installation: Stack, server: Server, database: Database, seconds: float) -> None:
    """Asserts that such an outage costs nothing."""
    seen = asyncio.run(under_load(server, installation.api_key, database, seconds))
    assert len(seen) > STREAMS * seconds / 3
    for one in seen:
        assert (one.status, one.error, one.done) == (200, None, True), one
        assert one.tokens == TOKENS
        assert one.longest_gap < 1 / PACE + GAP_SECONDS
        assert one.end_wait < END_SECONDS
    assert "usage_not_written" in server.log.read_text()
    eventually(lambda: not spooled(installation))
    found = records(installation)
    for one in seen:
        check_recorded(one, found[one.request_id])
    assert {row["outcome"] for row in found.values()} == {"completed"}


@pytest.mark.timeout(180)
def test_a_database_that_is_stopped_for_ten_seconds_under_load_costs_nothing(installation):
    if installation.database_url:
        with behind_a_relay(installation, Relay.cut, Relay.restore) as (server, database):
            hold(installation, server, database, OUTAGE_SECONDS)
    else:
        with on_a_file(installation) as (server, database):
            hold(installation, server, database, OUTAGE_SECONDS)


@pytest.mark.timeout(180)
def test_a_database_that_says_nothing_more_costs_nothing_either(installation):
    if not installation.database_url:
        pytest.skip("A file cannot fall silent.")
    with behind_a_relay(installation, Relay.freeze, Relay.thaw) as (server, database):
        hold(installation, server, database, 4.0)
