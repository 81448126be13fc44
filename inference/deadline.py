"""The clock of one engine stream: first token, pauses between tokens, and the whole."""

import asyncio
from types import TracebackType
from typing import Self

from inference.errors import BackendTimeout


class Deadline:
    """Cancels the wait for an engine that is too slow and turns it into `BackendTimeout`.

    One timer a stream that looks at the clock when it rings, because `asyncio.timeout` around every token would cost
    more than the token. Time that the client takes to read does not count: only between `wait` and `got`.
    """

    __slots__ = (
        "_began",
        "_end",
        "_first",
        "_idle",
        "_loop",
        "_overlong",
        "_since",
        "_start",
        "_task",
        "_timer",
        "_total",
        "_waiting",
        "expired",
    )

    def __init__(self, *, first: float, idle: float, total: float) -> None:
        """Seconds until the first event, between two events, and for all of it; the shortest wins."""
        self._first, self._idle, self._total = first, idle, total
        self._began = self._waiting = self._overlong = self.expired = False

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._start = self._since = self._loop.time()
        self._end = self._start + self._total
        self._timer: asyncio.TimerHandle | None = self._next(self._start)
        return self

    def wait(self) -> None:
        """The engine is waited for from now on."""
        self._since = self._loop.time()
        self._waiting = True
        if self._timer is None:
            self._timer = self._next(self._since)

    def got(self) -> None:
        """The engine sent something."""
        self._waiting = False
        self._began = True

    def _due(self) -> float:
        return min(self._since + self._idle if self._began else self._start + self._first, self._end)

    def _next(self, now: float) -> asyncio.TimerHandle:
        """The next look at the clock; before the first event no later than a pause that begins now could end.

        So the first event, as any other, needs no new timer.
        """
        due = self._due()
        return self._loop.call_at(due if self._began else min(due, now + self._idle), self._ring)

    def _ring(self) -> None:
        now = self._loop.time()
        if not self._waiting:
            # It is the client's turn; `wait` sets the next timer.
            self._timer = None
        elif now < self._due():
            self._timer = self._next(now)
        else:
            self.expired = True
            self._overlong = self._began and now < self._since + self._idle
            if self._task is not None:
                self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self.expired or self._task is None:
            return
        # Somebody else's cancellation that came at the same time stays one.
        ours_alone = self._task.uncancel() == 0
        if ours_alone and kind is not None and issubclass(kind, asyncio.CancelledError):
            timeout = BackendTimeout("The model did not answer in time. Please try again.")
            timeout.overlong = self._overlong
            raise timeout from None
