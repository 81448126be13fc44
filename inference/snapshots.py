"""A copy of what the database says, shared by all requests of a process and renewed behind them."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from accounts.database_thread import in_database_thread
from inference.errors import BackendUnavailable

log = structlog.get_logger(__name__)

# Requests go on with the old snapshot for so long after a change, ...
GRACE_SECONDS = 0.5
# ... wait so long for a load before they take it all the same, ...
WAIT_SECONDS = 2.0
# ... and loads begin so far from each other.
PAUSE_SECONDS = 0.2
FAILURE_PAUSE_SECONDS = 1.0

Snapshot = TypeVar("Snapshot")


class SnapshotCache(Generic[Snapshot]):
    """A snapshot of what the database says. A request takes what is there; a stale one is renewed behind its back.

    An announced change is loaded at once, and requests go on with the old snapshot meanwhile. Only those that come
    `GRACE_SECONDS` after a change that is still not loaded wait for it.
    """

    def __init__(
        self, load: Callable[[], Snapshot], ttl: float, *, follow: Callable[[Snapshot], None] = lambda snapshot: None
    ) -> None:
        """`load` reads one from the database, in a thread; `ttl` is the age in seconds at which it is renewed.

        `follow` gets each new one before any request does, on the event loop.
        """
        self._load_snapshot = load
        self._follow = follow
        self._ttl = ttl
        self.clear()

    def clear(self) -> None:
        """Forgets everything: the next request waits for a new snapshot."""
        self._snapshot: Snapshot | None = None
        self._loaded_at = self._failed_at = float("-inf")
        # The first change since the present load began, and the first of those that this load will bring.
        self._changed_at: float | None = None
        self._loading_change: float | None = None
        self._loading: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def invalidate(self, identifier: int = 0) -> None:
        """Has the snapshot renewed, whatever changed. Callable from any thread."""
        if self._changed_at is None:
            self._changed_at = time.monotonic()
        # Before the first request, and after the loop's end, there is nothing to renew.
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._renew)

    async def current(self) -> Snapshot:
        """The snapshot: at most a second behind what was announced, and two `ttl` behind what was not.

        Raises `BackendUnavailable` where there is none yet and the database does not answer.
        """
        waited = False
        while True:
            snapshot = self._snapshot
            if snapshot is not None and not self._is_stale():
                return snapshot
            loading = self._renew()
            if self._failing():
                # Without its database the gateway goes on with what it knew last.
                if snapshot is None:
                    raise BackendUnavailable(
                        "The catalogue cannot be read at the moment. Please try again.", headers={"retry-after": "1"}
                    )
                return snapshot
            if snapshot is not None and self._will_do(waited):
                return snapshot
            done, _ = await asyncio.wait({loading}, timeout=None if snapshot is None else WAIT_SECONDS)
            waited = True
            if not done:
                self._failed_at = time.monotonic()

    def _is_stale(self) -> bool:
        if self._changed_at is not None or self._loading_change is not None:
            return True
        return time.monotonic() - self._loaded_at > self._ttl

    def _will_do(self, waited: bool) -> bool:
        """Whether a stale snapshot is good enough while the next one loads."""
        now = time.monotonic()
        # Under traffic a request renews the snapshot for those after it; after a silence it is too old to be used.
        if not waited and now - self._loaded_at > 2 * self._ttl:
            return False
        change = self._loading_change or self._changed_at
        return change is None or now - change <= GRACE_SECONDS

    def _failing(self) -> bool:
        return self._failed_at > self._loaded_at

    def _renew(self) -> "asyncio.Task[None]":
        """The load that is under way."""
        loop = self._loop = asyncio.get_running_loop()
        task = self._loading
        if task is None or task.done() or task.get_loop() is not loop:
            task = self._loading = loop.create_task(self._load())
        return task

    async def _load(self) -> None:
        # A thousand prices that change one by one shall not be a thousand loads.
        earliest = max(self._loaded_at + PAUSE_SECONDS, self._failed_at + FAILURE_PAUSE_SECONDS)
        await asyncio.sleep(max(0.0, earliest - time.monotonic()))
        # What is changed from now on, this load may miss.
        started = time.monotonic()
        self._loading_change, self._changed_at = self._loading_change or self._changed_at, None
        try:
            snapshot = await in_database_thread(self._load_snapshot)
        except Exception as error:
            if not self._failing():
                log.error("catalogue_not_loaded", exc_info=error)
            self._failed_at = time.monotonic()
        else:
            self._follow(snapshot)
            self._snapshot, self._loaded_at, self._loading_change = snapshot, started, None
            self._failed_at = float("-inf")
        if self._is_stale():
            asyncio.get_running_loop().call_soon(self._renew)
