"""The writer of usage records: whatever waits goes into the database in one transaction, from one thread of its own.

The event loop pays a few microseconds a request: a line in the journal, a future and a queue. Nothing here blocks it.
"""

import asyncio
import atexit
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence

import structlog
from django.db import connections
from django.db.utils import Error

from billing.entry import UsageEntry
from billing.errors import MeteringUnavailable
from billing.journal import Journal, journal_folder
from billing.rating import report_unrated
from billing.record_store import RecordStore, insert_all_that_fit
from billing.services.interrupted import close_interrupted_requests

# Most records of one transaction: keeps each hold of the interpreter's lock well below a millisecond.
BATCH = 256
# How long a record is tried again while the database cannot be reached.
RETRY_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0

log = structlog.get_logger(__name__)

Waiting = tuple[UsageEntry, "asyncio.Future[None]"]


class MeteringWriter:
    """Group commit for one process. All methods belong to the event loop on which it was made."""

    def __init__(self, *, retry_seconds: float = RETRY_SECONDS) -> None:
        """Opens the journal and starts the thread, which first closes what a killed predecessor left open.

        `retry_seconds`: how long a record may fail to be written before its waiter hears of it. Raises
        `MeteringUnavailable` when the journal cannot be made.
        """
        self._loop = asyncio.get_running_loop()
        self._retry_seconds = retry_seconds
        try:
            self._journal = Journal(journal_folder())
        except OSError as error:
            raise MeteringUnavailable from error
        # None: write what is there, then stop.
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._closed = False
        self._stopped = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="metering", daemon=True)
        self._thread.start()
        atexit.register(self._stop_at_exit)

    def start(self, entry: UsageEntry) -> None:
        """The request goes to an engine: noted in the journal. Raises `MeteringUnavailable` when that fails."""
        try:
            self._journal.note(entry)
        except OSError as error:
            raise MeteringUnavailable from error

    def progress(self, entry: UsageEntry) -> None:
        """The counts so far, for the case that this process is killed. Cheap, but once a second is enough."""
        try:
            self._journal.note(entry)
        except OSError:
            log.warning("journal_not_written")

    def submit(self, entry: UsageEntry) -> "asyncio.Future[None]":
        """Hands the finished entry over, once; the future is done when its record is committed.

        It is committed also when the waiter is cancelled. The future fails with `MeteringUnavailable` when the record
        could not be written in time; the journal then still knows the request, with these counts.
        """
        future = self._loop.create_future()
        if self._closed:
            future.set_exception(MeteringUnavailable())
            # Asked once, so that asyncio does not complain where nobody waits.
            future.exception()
        else:
            self._queue.put((entry, future))
        return future

    async def close(self) -> None:
        """Writes what waits, then stops the thread and gives the journal up. Later submits fail."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            _writers.pop(self._loop, None)
            await asyncio.shield(self._stopped)
            atexit.unregister(self._stop_at_exit)
            self._journal.close()
        await asyncio.shield(self._stopped)

    # -- in the thread ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        _close_what_a_killed_process_left()
        store = RecordStore()
        more = True
        while more:
            batch, more = self._next()
            if batch:
                failed = self._write(store, [entry for entry, _ in batch])
                self._tell(self._settle, batch, failed)
        store.close()
        self._tell(self._finish)

    def _next(self) -> tuple[list[Waiting], bool]:
        """What waits, at least one; False when there will be no more."""
        batch: list[Waiting] = []
        waiting = self._queue.get()
        while waiting is not None:
            batch.append(waiting)
            if len(batch) == BATCH:
                return batch, True
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _write(self, store: RecordStore, entries: Sequence[UsageEntry]) -> list[UsageEntry]:
        """Commits the entries; those that could not be written."""
        for entry in entries:
            report_unrated(entry)
        deadline = time.monotonic() + self._retry_seconds
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                refused = insert_all_that_fit(store.insert, entries)
            # An InterfaceError is no DatabaseError, and would end the thread.
            except Error as error:
                with contextlib.suppress(Error):
                    store.close()
                # Never the text: a database's message may quote a row.
                log.warning("usage_not_written", count=len(entries), error=type(error).__name__)
                if time.monotonic() + pause > deadline:
                    return list(entries)
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                for entry in refused:
                    log.error("usage_record_refused", request_id=str(entry.id), model=entry.model_id)
                return refused

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        # A loop that is closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *arguments)

    def _stop_at_exit(self) -> None:
        self._queue.put(None)
        self._thread.join(self._retry_seconds + 1)

    # -- on the loop, from the thread -------------------------------------------------------------------------

    def _settle(self, batch: list[Waiting], failed: list[UsageEntry]) -> None:
        failed_ids = {entry.id for entry in failed}
        try:
            self._journal.end([entry.id for entry, _ in batch if entry.id not in failed_ids])
        except OSError:
            log.warning("journal_not_written")
        for entry, future in batch:
            if entry.id in failed_ids:
                self.progress(entry)
            if future.done():
                continue
            if entry.id in failed_ids:
                future.set_exception(MeteringUnavailable())
                # Asked once, so that asyncio does not complain where nobody waits.
                future.exception()
            else:
                future.set_result(None)

    def _finish(self) -> None:
        if not self._stopped.done():
            self._stopped.set_result(None)


def _close_what_a_killed_process_left() -> None:
    try:
        close_interrupted_requests()
    except (Error, OSError) as error:
        log.warning("interrupted_requests_not_closed", error=type(error).__name__)
    finally:
        connections.close_all()


_writers: dict[asyncio.AbstractEventLoop, MeteringWriter] = {}


def writer() -> MeteringWriter:
    """The running event loop's writer, made on first use. Raises `MeteringUnavailable` when it cannot be made."""
    loop = asyncio.get_running_loop()
    found = _writers.get(loop)
    if found is None:
        found = _writers[loop] = MeteringWriter()
    return found


__all__ = ["MeteringUnavailable", "MeteringWriter", "UsageEntry", "writer"]
