"""`python -m config.serve`: the web server of production and of `make up`, which is uvicorn with an orderly end.

SIGTERM or SIGINT: `/readyz` says "draining" at once, and new requests are told 503 while the requests under way go on,
for `DRAIN_SECONDS` at most. What is then not done is cut, its client told and its record written. Exit status 0. The
second signal cuts at once.
"""

import argparse
import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, cast

import structlog
import uvicorn
from django.conf import settings
from uvicorn.server import HANDLED_SIGNALS

from config.asgi import application
from config.health import PROBES
from config.http_protocol import Protocol
from inference.consumers import RefusingConsumer
from inference.lifecycle import draining

# How long what was cut may take to tell its client and to hand in its record.
CUT_SECONDS = 2.0
# The same for the whole end after a second signal.
FORCED_SECONDS = 2.0
STARTUP_FAILED = 3
SOCKET_OPTIONS = [
    # A client that vanished without a word, while it waits for its answer, is found out within two minutes.
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
]
if sys.platform == "linux":
    SOCKET_OPTIONS += [
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 6),
        # Else the kernel takes megabytes for a client that does not read, before the engine is held back.
        (socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 128 * 1024),
    ]

log = structlog.get_logger(__name__)

refuse = RefusingConsumer.as_asgi()


async def drained(scope: Any, receive: Any, send: Any) -> None:
    """The application while this process drains: probes are answered, nothing else is begun."""
    await (application if scope["path"] in PROBES else refuse)(scope, receive, send)


class Server(uvicorn.Server):
    """One web process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals begin the end. uvicorn raises them again at the very end, and would die of them."""
        loop = asyncio.get_running_loop()
        for number in HANDLED_SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in HANDLED_SIGNALS:
                loop.remove_signal_handler(number)

    async def serve(self, sockets: Any = None) -> None:
        """uvicorn: from start to end. Tasks that are left then are ended here, which asyncio tries only once."""
        try:
            await super().serve(sockets)
        finally:
            await end_tasks()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Runs on the loop: the first signal begins to drain, the second one cuts."""
        self.force_exit = self.should_exit
        self.should_exit = True
        if self.force_exit:
            log.warning("second_signal", signal=signal.Signals(sig).name)
            return
        draining.set()
        requests, tasks = len(self.server_state.tasks), len(asyncio.all_tasks())
        log.info("draining", signal=signal.Signals(sig).name, requests=requests, pending=tasks)
        self.config.loaded_app = drained
        for connection in self.connections():
            connection.drain(drained)

    def connections(self) -> tuple[Protocol, ...]:
        """Those that are open."""
        return cast(tuple[Protocol, ...], tuple(self.server_state.connections))

    async def startup(self, sockets: Any = None) -> None:
        """Listens; connections inherit these options. Raises `SystemExit` where it cannot."""
        try:
            await super().startup(sockets)
        except SystemExit:
            log.error("cannot listen", port=self.config.port)
            raise
        for server in self.servers:
            for listener in server.sockets:
                # uvloop shows its sockets, and lets nobody set anything on them.
                with socket.socket(fileno=os.dup(listener.fileno())) as twin:
                    for level, option, value in SOCKET_OPTIONS:
                        twin.setsockopt(level, option, value)

    async def on_tick(self, counter: int) -> bool:
        """uvicorn: ten times a second."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in self.connections():
                connection.check(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: Any = None) -> None:
        """Drains, cuts what is left, and lets the application commit."""
        start = time.monotonic()
        state = self.server_state
        await self.until(lambda: False, start + min(settings.DRAIN_LISTEN_SECONDS, settings.DRAIN_SECONDS))
        for server in self.servers:
            server.close()
        for connection in self.connections():
            connection.shutdown()
        # Connections, not tasks: the end of an answer may still wait for its client to read.
        await self.until(lambda: not (state.connections or state.tasks), start + settings.DRAIN_SECONDS)
        if state.tasks:
            log.warning("requests_cut", requests=len(state.tasks))
            for task in tuple(state.tasks):
                task.cancel()
            await asyncio.wait(tuple(state.tasks), timeout=CUT_SECONDS)
        for connection in self.connections():
            # Who has not read by now will not: a task that waits for it goes on.
            connection.transport.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(FORCED_SECONDS if self.force_exit else None):
                await self.lifespan.shutdown()

    async def until(self, done: Callable[[], bool], end: float) -> None:
        """Returns when `done`, at `end` (monotonic seconds), or with the second signal."""
        # Polled, as uvicorn does: nobody tells when a connection is gone.
        while not done() and not self.force_exit and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def end_tasks() -> None:
    """Cancels all other tasks, again and again: redis' client, for one, swallows a cancellation now and then.

    asyncio, which cancels once, would wait for such a task for ever, and the process would not end.
    """
    end = time.monotonic() + CUT_SECONDS
    while (left := asyncio.all_tasks() - {asyncio.current_task()}) and time.monotonic() < end:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=0.1)


def port(text: str) -> int:
    """A TCP port; uvloop would cut a larger number to size. Raises `ValueError`."""
    if not 0 < (number := int(text)) < 65536:
        raise ValueError
    return number


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m config.serve", description="Serve Hanse.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=port, default=8000, help="TCP port (8000)")
    options = parser.parse_args()
    config = uvicorn.Config(
        application,
        host=options.host,
        port=options.port,
        loop="uvloop",
        http=Protocol,
        ws="none",
        interface="asgi3",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        workers=1,
        timeout_keep_alive=settings.CLIENT_IDLE_SECONDS,
    )
    server = Server(config)
    server.run()
    if not server.started:
        sys.exit(STARTUP_FAILED)
    if server.force_exit:
        # Whatever hangs, threads and their last words included, hangs no longer; the journal has what is missing.
        sys.stderr.flush()
        os._exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main()
