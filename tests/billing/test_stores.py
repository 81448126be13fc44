"""Commits on the event loop through a PostgreSQL connection that hangs, breaks and fills up."""

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.db import DatabaseError, OperationalError, connection

from billing.models import UsageRecord
from billing.stores import PostgresqlStore, make_store
from tests.billing.conftest import make_entry
from tests.billing.writing import TableGone
from tests.relay import Relay, relayed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """In front of the database, for connections that are made from here on."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connection that could break.")
    database = connection.settings_dict
    with relayed(f"postgres://{database['HOST']}:{database['PORT'] or 5432}") as (relay, url):
        monkeypatch.setitem(database, "HOST", "127.0.0.1")
        monkeypatch.setitem(database, "PORT", str(urlsplit(url).port))
        yield relay


def test_more_than_a_connection_takes_at_once_is_sent_while_the_loop_goes_on(relay: Relay) -> None:
    entries = [make_entry() for _ in range(20_000)]

    async def main() -> tuple[int, int]:
        store = make_store()
        await store.insert(entries[:1])
        relay.freeze()
        inserting = asyncio.create_task(store.insert(entries))
        turns = 0
        for _ in range(100):
            await asyncio.sleep(0.002)
            turns += 1
        assert not inserting.done()
        relay.thaw()
        new = await inserting
        await store.close()
        return turns, new

    assert asyncio.run(main()) == (100, 19_999)


def test_an_insert_that_is_given_up_leaves_the_next_one_its_own_answer(relay: Relay) -> None:
    given_up, later = [make_entry() for _ in range(3)], [make_entry(), make_entry()]

    async def main() -> int:
        store = make_store()
        await store.insert([])
        relay.freeze()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await store.insert(given_up)
        relay.thaw()
        new = await store.insert(later)
        await store.close()
        return new

    assert asyncio.run(main()) == 2
    assert UsageRecord.objects.filter(id__in=[entry.id for entry in later]).count() == 2


def test_a_connection_that_broke_while_nobody_used_it_is_replaced(relay: Relay) -> None:
    async def main() -> int:
        store = make_store()
        await store.insert([make_entry()])
        relay.cut()
        await asyncio.sleep(0.05)
        with pytest.raises(OperationalError):
            await store.insert([make_entry()])
        relay.restore()
        new = await store.insert([make_entry()])
        await store.close()
        return new

    assert asyncio.run(main()) == 1
    assert UsageRecord.objects.count() == 2


def test_a_statement_that_could_not_be_prepared_is_prepared_later() -> None:
    async def main() -> int:
        store = make_store()
        async with TableGone():
            with pytest.raises(DatabaseError):
                await store.insert([make_entry()])
        new = await store.insert([make_entry()])
        await store.close()
        return new

    assert asyncio.run(main()) == 1


def test_an_error_of_the_server_quotes_no_values(relay: Relay) -> None:
    async def main() -> str:
        store = make_store()
        assert isinstance(store, PostgresqlStore)
        with pytest.raises(DatabaseError) as raised:
            await store.insert([make_entry(model_id="canary" * 100)])
        # A record that cannot be written costs no connection.
        assert await store.insert([make_entry()]) == 1
        await store.close()
        return str(raised.value)

    assert asyncio.run(main()) == "SQLSTATE 22001"
