"""The writer of usage records: whatever waits becomes safe in one transaction, and only then are its waiters told.

A request costs the event loop a line in the journal and a future; a commit is shared by all that end meanwhile. Nothing
here blocks the loop.
"""

import asyncio
import atexit
import time
from collections.abc import Sequence

import structlog
from django.db.utils import Error

from accounts.database_thread import in_database_thread
from billing.entry import UsageEntry
from billing.errors import MeteringUnavailable
from billing.journal import Journal, journal_folder
from billing.models import Outcome
from billing.rating import report_unrated
from billing.recorder import Recorder
from billing.services import close_interrupted_requests, replay_spools

# Most records of one transaction: what the event loop does for it at once stays well below a millisecond.
BATCH = 256
# With so many records waiting, no new request begins. Those under way still come on top.
MOST_WAITING = 4096
# How long records are tried again while neither database nor spool take them.
RETRY_SECONDS = 10.0
RETRY_PAUSE_SECONDS = 0.25
# Between two attempts to take over what dead processes left.
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
# How long the end of the process waits for an attempt that is under way.
CLOSE_SECONDS = 2.0

log = structlog.get_logger(__name__)

Waiting = tuple[UsageEntry, "asyncio.Future[None]"]


class MeteringWriter:
    """Group commit for one process. All methods belong to the event loop on which it was made."""

    def __init__(self, *, retry_seconds: float = RETRY_SECONDS) -> None:
        """Opens the journal and begins to take over what killed predecessors left.

        `retry_seconds`: how long a record may fail to be written anywhere before its waiter hears of it. Raises
        `MeteringUnavailable` when the journal cannot be made.
        """
        self._loop = asyncio.get_running_loop()
        self._retry_seconds = retry_seconds
        try:
            self._journal = Journal(journal_folder())
        except OSError as error:
            raise MeteringUnavailable from error
        self._recorder = Recorder()
        self._waiting: list[Waiting] = []
        self._writing: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._failing_since: float | None = None
        self._takeover = self._loop.create_task(_take_over_from_the_dead())
        atexit.register(self._write_at_exit)

    def start(self, entry: UsageEntry) -> None:
        """The request goes to an engine: noted in the journal.

        Raises `MeteringUnavailable` when that fails, and when its record could not be written either as it stands.
        """
        if self._recorder.unable or len(self._waiting) >= MOST_WAITING or self._closing is not None:
            raise MeteringUnavailable
        try:
            self._journal.note(entry)
        except OSError as error:
            raise MeteringUnavailable from error

    def progress(self, entry: UsageEntry) -> None:
        """The counts so far, for the case that this process is killed. Cheap, but once a second is enough."""
        try:
            self._journal.note(entry)
        except (OSError, OverflowError, ValueError):
            log.warning("journal_not_written")

    def submit(self, entry: UsageEntry) -> "asyncio.Future[None]":
        """Hands the finished entry over, once; the future is done when its record is in the database or the spool.

        It is written also when the waiter is cancelled. The future fails with `MeteringUnavailable` when the record
        could not be written in time; the journal then still knows the request, as a failed one with these counts.
        """
        future = self._loop.create_future()
        if self._closing is not None or (self._recorder.unable and entry.id not in self._journal):
            # What never began is not worth waiting for.
            _fail(future)
            return future
        report_unrated(entry)
        self._waiting.append((entry, future))
        if self._writing is None:
            self._writing = self._loop.create_task(self._write_all())
        return future

    async def close(self) -> None:
        """Writes what waits and gives journal and spool up. Later submits fail."""
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        _writers.pop(self._loop, None)
        self._takeover.cancel()
        while self._writing is not None:
            await asyncio.wait([self._writing])
        await asyncio.wait([self._takeover], timeout=CLOSE_SECONDS)
        await self._recorder.close()
        atexit.unregister(self._write_at_exit)
        self._journal.close()

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                # They stay in the list until they are safe: the end of the process may come first.
                batch = self._waiting[:BATCH]
                unsafe = await self._write([entry for entry, _ in batch])
                del self._waiting[: len(batch)]
                self._settle(batch, unsafe)
        finally:
            self._writing = None

    async def _write(self, entries: Sequence[UsageEntry]) -> Sequence[UsageEntry]:
        """Those that could not be made safe."""
        if not self._recorder.unable:
            self._failing_since = None
        try:
            while not await self._recorder.save(entries):
                now = time.monotonic()
                # Since the first of them failed: those behind it must not wait as long again.
                self._failing_since = self._failing_since or now
                if now - self._failing_since > self._retry_seconds:
                    return entries
                await asyncio.sleep(RETRY_PAUSE_SECONDS)
        except (OverflowError, ValueError) as error:
            # An entry that no JSON can hold must not take the others with it.
            if len(entries) > 1:
                return [unsafe for entry in entries for unsafe in await self._write([entry])]
            log.error("usage_record_refused", request_id=str(entries[0].id), error=type(error).__name__)
            return entries
        return ()

    def _settle(self, batch: Sequence[Waiting], unsafe: Sequence[UsageEntry]) -> None:
        unsafe_ids = {entry.id for entry in unsafe}
        try:
            self._journal.end([entry.id for entry, _ in batch if entry.id not in unsafe_ids])
        except OSError:
            log.warning("journal_not_written")
        for entry, future in batch:
            if entry.id in unsafe_ids:
                _end_in_an_error(entry)
                self.progress(entry)
                _fail(future)
            elif not future.done():
                future.set_result(None)

    def _write_at_exit(self) -> None:
        """For a server that ends without a word (Daphne), or a loop that ended while records were waiting."""
        for start in range(0, len(self._waiting), BATCH):
            entries = [entry for entry, _ in self._waiting[start : start + BATCH]]
            try:
                self._recorder.save_at_exit(entries)
                self._journal.end([entry.id for entry in entries])
            except OSError as error:
                log.error("usage_not_spooled", count=len(entries), error=type(error).__name__)
        self._journal.close()


def _end_in_an_error(entry: UsageEntry) -> None:
    """Whoever waits is told an error and may ask again: the sweep must not charge for it. Who left is not told."""
    if entry.outcome == Outcome.COMPLETED:
        entry.outcome, entry.error_code, entry.cost_nano = Outcome.FAILED, MeteringUnavailable.code or "", 0


def _fail(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_exception(MeteringUnavailable())
        # Asked once, so that asyncio does not complain where nobody waits.
        future.exception()


async def _take_over_from_the_dead() -> None:
    """Until it has gone well once; after that the worker's sweep does it."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        attempt = asyncio.ensure_future(in_database_thread(_take_over))
        try:
            # Shielded: a thread cannot be cancelled, so the end of the process waits for it a while.
            await asyncio.shield(attempt)
            return
        except asyncio.CancelledError:
            await asyncio.wait([attempt])
            raise
        except (Error, OSError) as error:
            log.warning("interrupted_requests_not_closed", error=type(error).__name__)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _take_over() -> None:
    # The spool first: it knows how its requests ended, the journal may not.
    replay_spools()
    close_interrupted_requests()


_writers: dict[asyncio.AbstractEventLoop, MeteringWriter] = {}


def writer() -> MeteringWriter:
    """The running event loop's writer, made on first use. Raises `MeteringUnavailable` when it cannot be made."""
    loop = asyncio.get_running_loop()
    found = _writers.get(loop)
    if found is None:
        found = _writers[loop] = MeteringWriter()
    return found


__all__ = ["MeteringUnavailable", "MeteringWriter", "UsageEntry", "writer"]
