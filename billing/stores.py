"""Where the writer's event loop commits usage records: PostgreSQL without a thread, SQLite in one."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg import pq

from billing.entry import UsageEntry
from billing.record_store import INSERT, LIMITS, RecordStore, encode_entries, own_connection

# Of Django's parameters of a connection, what its own cursors want.
DJANGOS = ("context", "cursor_factory", "prepare_threshold")
SUCCESS = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)


class Store(Protocol):
    """Commits entries for one event loop, one `insert` at a time."""

    async def insert(self, entries: Sequence[UsageEntry]) -> int:
        """Commits the entries in one transaction; how many were new. Raises `django.db.Error`.

        Cancelled, it leaves open whether they were committed.
        """

    async def close(self) -> None:
        """Gives the connection up; the next insert makes a new one."""


def make_store() -> Store:
    """The store for the configured database and the running event loop."""
    return PostgresqlStore() if connections[DEFAULT_DB_ALIAS].vendor == "postgresql" else ThreadStore()


class PostgresqlStore:
    """libpq driven by the event loop: no thread is woken for a commit, and none is held by a server that hangs."""

    def __init__(self) -> None:
        """Connects with the first insert."""
        self._loop = asyncio.get_running_loop()
        self._django = own_connection()
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._pgconn: Any = None
        self._socket = -1
        self._sending = False
        self._reply: asyncio.Future[None] | None = None
        self._result: Any = None

    async def insert(self, entries: Sequence[UsageEntry]) -> int:
        """As `Store.insert`. A connection that broke meanwhile is replaced once."""
        content = encode_entries(entries)
        with self._django.wrap_database_errors:
            try:
                if self._connection is not None:
                    with contextlib.suppress(psycopg.OperationalError):
                        return await self._insert(content)
                    self._drop()
                await self._connect()
                return await self._insert(content)
            except (psycopg.DataError, psycopg.IntegrityError):
                raise
            except BaseException:
                # Half set up, or with an answer still to come that would be taken for that to the next statement.
                self._drop()
                raise

    async def close(self) -> None:
        """As `Store.close`."""
        self._drop()

    async def _insert(self, content: bytes) -> int:
        result = await self._roundtrip(self._pgconn.send_query_prepared, b"usage", [content])
        return result.command_tuples or 0

    async def _connect(self) -> None:
        parameters = self._django.get_connection_params()
        parameters = {name: value for name, value in parameters.items() if name not in DJANGOS}
        self._connection = await psycopg.AsyncConnection.connect(**parameters)
        self._pgconn = self._connection.pgconn
        self._pgconn.nonblocking = 1
        self._socket = self._pgconn.socket
        self._loop.add_reader(self._socket, self._readable)
        await self._roundtrip(self._pgconn.send_query, self._beginning().encode())
        await self._roundtrip(self._pgconn.send_prepare, b"usage", (INSERT["postgresql"] % "$1").encode())

    def _beginning(self) -> str:
        # As Django does for its own connections.
        role = self._django.settings_dict["OPTIONS"].get("assume_role")
        return f"{LIMITS}; SET ROLE {self._django.ops.quote_name(role)}" if role else LIMITS

    async def _roundtrip(self, send: Callable[..., None], *arguments: object) -> Any:
        self._reply = self._loop.create_future()
        send(*arguments)
        self._flush()
        await self._reply
        if self._result.status not in SUCCESS:
            state = self._result.error_field(pq.DiagnosticField.SQLSTATE)
            kind = psycopg.OperationalError if state is None else psycopg.errors.lookup(state.decode())
            # The server's message may quote values; its code says enough.
            raise kind(f"SQLSTATE {state.decode() if state else 'unknown'}")
        return self._result

    def _flush(self) -> None:
        try:
            more = bool(self._pgconn.flush())
        except psycopg.Error as error:
            self._fail(error)
            return
        if more and not self._sending:
            self._loop.add_writer(self._socket, self._flush)
        elif self._sending and not more:
            self._loop.remove_writer(self._socket)
        self._sending = more

    def _readable(self) -> None:
        try:
            self._pgconn.consume_input()
            while not self._pgconn.is_busy():
                result = self._pgconn.get_result()
                if result is None:
                    if self._reply is not None and not self._reply.done():
                        self._reply.set_result(None)
                    return
                self._result = result
        except psycopg.Error as error:
            self._fail(error)

    def _fail(self, error: psycopg.Error) -> None:
        self._drop()
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error)

    def _drop(self) -> None:
        self._connection = None
        pgconn, self._pgconn = self._pgconn, None
        if pgconn is not None:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._sending = False
            pgconn.finish()


class ThreadStore:
    """A `RecordStore` in a thread of its own."""

    def __init__(self) -> None:
        """Connects with the first insert."""
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, "metering")
        self._store = RecordStore()

    async def insert(self, entries: Sequence[UsageEntry]) -> int:
        """As `Store.insert`."""
        return await self._loop.run_in_executor(self._thread, self._store.insert, entries)

    async def close(self) -> None:
        """As `Store.close`."""
        await self._loop.run_in_executor(self._thread, self._store.close)
