"""Makes usage records safe: in the database, or in the spool for as long as the database fails."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import structlog
from django.db import DataError, IntegrityError
from django.db.utils import Error

from accounts.database_thread import in_database_thread
from billing.entry import UsageEntry
from billing.record_store import STATEMENT_SECONDS, RecordStore, insert_all_that_fit
from billing.services.recording import record_all
from billing.spool import PAGE_BYTES, Page, Spool, set_aside, spool_folder
from billing.stores import make_store

# How long the end of an answer may wait for the database before its record goes to the spool.
COMMIT_SECONDS = 1.0
# Nobody waits for a replay; longer than the server's own limit on a statement.
REPLAY_SECONDS = STATEMENT_SECONDS + 1.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0

log = structlog.get_logger(__name__)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Recorder:
    """For one event loop. While anything is in the spool, new records go behind it, so that their order is kept."""

    def __init__(self) -> None:
        """Opens nothing yet."""
        self._store = make_store()
        self._spool = Spool(spool_folder())
        self._disk: ThreadPoolExecutor | None = None
        # Held by whoever appends to the spool or ends its use.
        self._turn = asyncio.Lock()
        self._behind = False
        self._replaying: asyncio.Task[None] | None = None
        # Neither the database nor the spool could be written when last tried.
        self.unable = False

    async def save(self, entries: Sequence[UsageEntry]) -> bool:
        """Whether the entries are safe now. Takes `COMMIT_SECONDS` and a write to the disk at most."""
        while True:
            if not self._behind:
                if await self._commit(entries):
                    return True
                self._behind = True
                self._replaying = asyncio.create_task(self._replay())
            async with self._turn:
                if self._behind:
                    return await self._append(entries)

    def save_at_exit(self, entries: Sequence[UsageEntry]) -> None:
        """The same when there is no event loop any more. Raises `OSError` when they are not safe."""
        if not self._behind:
            store = RecordStore()
            try:
                refused = insert_all_that_fit(store.insert, entries)
                set_aside(spool_folder(), Page(refused, [], 0))
                return
            except Error as error:
                log.warning("usage_not_written", count=len(entries), error=type(error).__name__)
            finally:
                store.close()
        self._spool.append(entries)

    async def close(self) -> None:
        """Gives connection and spool up; what the spool holds is replayed by whoever finds it."""
        if self._replaying is not None:
            self._replaying.cancel()
            await asyncio.wait([self._replaying])
        await self._store.close()
        if self._disk is not None:
            await self._on_disk(self._spool.close)
            self._disk.shutdown(wait=False)

    async def _commit(self, entries: Sequence[UsageEntry]) -> bool:
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._insert(entries)
        except (Error, OSError) as error:
            # Never the text: a database's message may quote a row.
            log.warning("usage_not_written", count=len(entries), error=type(error).__name__)
            return False
        return True

    async def _insert(self, entries: Sequence[UsageEntry]) -> None:
        try:
            known = len(entries) - await self._store.insert(entries)
        except (DataError, IntegrityError):
            # One by one: what is wrong with one of them must not take the others with it.
            await in_database_thread(record_all, entries)
            return
        if known:
            # After a commit whose answer was lost. Anything else that uses an id twice should be seen.
            log.warning("usage_already_recorded", count=known)

    async def _append(self, entries: Sequence[UsageEntry]) -> bool:
        try:
            await self._on_disk(self._spool.append, entries)
        except OSError as error:
            log.error("usage_not_spooled", count=len(entries), error=type(error).__name__)
            self.unable = True
        else:
            self.unable = False
        return not self.unable

    async def _replay(self) -> None:
        """Tries until the database has everything."""
        pause = FIRST_PAUSE_SECONDS
        records = 0
        while self._behind:
            await asyncio.sleep(pause)
            try:
                records += await self._replay_page(REPLAY_SECONDS)
                if self._spool.waiting_bytes <= PAGE_BYTES:
                    # Appends wait for this one page, or under load they would stay ahead for ever.
                    async with self._turn:
                        records += await self._replay_page(COMMIT_SECONDS)
                        if self._spool.drained:
                            await self._on_disk(self._spool.close)
                            self._behind = self.unable = False
                pause = 0.0
            except Exception as error:
                # Whatever it is: records wait, and nobody else replays them while this process lives.
                if not isinstance(error, Error | OSError):
                    log.error("spool_not_replayed", exc_info=error)
                pause = min(max(2 * pause, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
                if self.unable:
                    await self._try_the_spool()
        log.warning("usage_written_again", records=records)

    async def _replay_page(self, seconds: float) -> int:
        async with asyncio.timeout(seconds):
            page = await self._on_disk(self._spool.read)
            # With nothing in it, it tells whether the database answers.
            await self._insert(page.entries)
            await self._on_disk(set_aside, spool_folder(), Page([], page.unreadable, 0))
        self._spool.passed(page)
        return len(page.entries)

    async def _try_the_spool(self) -> None:
        async with self._turn:
            try:
                await self._on_disk(self._spool.try_out)
            except OSError:
                return
            self.unable = False

    async def _on_disk(
        self, work: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        # One thread, since the spool is for one; none where it was never needed.
        if self._disk is None:
            self._disk = ThreadPoolExecutor(1, "spool")
        return await asyncio.get_running_loop().run_in_executor(self._disk, lambda: work(*args, **kwargs))
