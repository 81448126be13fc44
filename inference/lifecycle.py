"""What a web process does beside answering: noting when keys were used, and an orderly end."""

import asyncio
import gc
import sys
from typing import Any

import structlog

from accounts import last_used
from accounts.subscription import hear_announcements
from billing.metering import writer
from inference.backends.transport import close_transport

log = structlog.get_logger(__name__)

FLUSH_SECONDS = 30.0
# How long requests that the server has cancelled may take to hand in their records.
CANCELLED_SECONDS = 2.0
# New objects before the garbage collector looks at them; Python's 700 are fewer than one request makes.
GARBAGE_THRESHOLD = 10_000
# How long a thread that computes (a large request's, the catalogue's every few seconds) may keep the event loop from
# going on; Python's default is 5 ms. uvloop asks for the interpreter anew for each of its callbacks, so waits add up.
SWITCH_SECONDS = 0.0002

# Set once this process ends: it finishes what it has begun and begins nothing new.
draining = asyncio.Event()
requests_underway: "set[asyncio.Task[Any]]" = set()

_background: "list[asyncio.Task[None]]" = []


def ensure_running() -> None:
    """Starts the process' background work on the first request: Daphne knows no start-up event."""
    if not _background or _background[0].done():
        loop = asyncio.get_running_loop()
        _background[:] = [loop.create_task(_flush_for_ever()), loop.create_task(hear_announcements())]


async def _flush_for_ever() -> None:
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        await _flush()


async def _flush() -> None:
    try:
        await last_used.flush()
    except Exception:  # noqa: BLE001
        # Coarse times of use are not worth a request; the database's trouble shows elsewhere.
        log.warning("last_used_not_saved")


def tune_interpreter() -> None:
    """Keeps the interpreter's own work from stopping the event loop for long.

    What is loaded by now lives as long as the process, and leaves the garbage collector's rounds: a full one over
    Django's hundreds of thousands of objects stops all streams for tens of milliseconds. Requests leave no cycles
    behind (a test holds that), so rounds can also be rarer.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, *gc.get_threshold()[1:])


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI lifespan: on shutdown, commits what waits and closes connections."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            ensure_running()
            # Closes what a killed predecessor left open before anybody asks for it.
            writer()
            tune_interpreter()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            for task in _background:
                task.cancel()
            if requests_underway:
                await asyncio.wait(requests_underway, timeout=CANCELLED_SECONDS)
            await writer().close()
            await _flush()
            await close_transport()
            await send({"type": "lifespan.shutdown.complete"})
            return
