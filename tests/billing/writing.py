"""A writer on the test's database, and what a database does to it."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections

from billing.metering import MeteringWriter


def run(main: Callable[[MeteringWriter], Awaitable[Any]], **options: Any) -> Any:
    """Runs `main` with a writer, which is closed after."""

    async def with_writer() -> Any:
        made = MeteringWriter(**options)
        try:
            return await main(made)
        finally:
            await made.close()

    return asyncio.run(with_writer())


async def elsewhere(read: Callable[[], Any]) -> Any:
    """What `read` sees on another connection."""

    def read_and_close() -> Any:
        try:
            return read()
        finally:
            connections.close_all()

    return await asyncio.to_thread(read_and_close)


async def eventually(holds: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Returns as soon as `holds` does; fails after `seconds`."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@contextmanager
def usage_locked() -> Iterator[None]:
    """Nobody else can write a record until the block ends."""
    begun, end = threading.Event(), threading.Event()

    def hold() -> None:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN" if connection.vendor == "postgresql" else "BEGIN IMMEDIATE")
            if connection.vendor == "postgresql":
                cursor.execute("LOCK TABLE billing_usagerecord IN SHARE MODE")
            begun.set()
            end.wait(30)
            cursor.execute("ROLLBACK")
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    begun.wait(10)
    try:
        yield
    finally:
        end.set()
        holder.join()


class TableGone:
    """The database takes no records from `begin` to `end`."""

    async def begin(self) -> None:
        """Takes the table away."""
        await elsewhere(lambda: execute("ALTER TABLE billing_usagerecord RENAME TO gone"))

    async def end(self) -> None:
        """Brings it back."""
        await elsewhere(lambda: execute("ALTER TABLE gone RENAME TO billing_usagerecord"))

    async def __aenter__(self) -> None:
        await self.begin()

    async def __aexit__(self, *error: object) -> None:
        await self.end()


@contextmanager
def refusing(model_id: str) -> Iterator[None]:
    """The database refuses records of this model for good."""
    if connection.vendor == "postgresql":
        begin = f"ALTER TABLE billing_usagerecord ADD CONSTRAINT refusing CHECK (model_id <> '{model_id}')"
        end = "ALTER TABLE billing_usagerecord DROP CONSTRAINT refusing"
    else:
        begin = (
            "CREATE TRIGGER refusing BEFORE INSERT ON billing_usagerecord"
            f" WHEN NEW.model_id = '{model_id}' BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
        end = "DROP TRIGGER refusing"
    execute(begin)
    try:
        yield
    finally:
        execute(end)


def execute(statement: str) -> None:
    """A statement on this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
