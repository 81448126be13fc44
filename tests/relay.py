"""A TCP relay in front of a server, which can be frozen and cut, and keeps what clients send through it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit


class Relay:
    """Listens on a port of 127.0.0.1 and passes everything on; its methods may be called from any thread."""

    def __init__(self, host: str, port: int) -> None:
        """`host` and `port` are those of the server behind it."""
        self.behind = host, port
        self.port = 0
        self.sent = bytearray()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self.restore()

    def cut(self) -> None:
        """Ends all connections and refuses new ones, as a server that is not there."""
        self._do(self._cut)

    def restore(self) -> None:
        """Accepts connections again."""
        self._do(self._listen)

    def freeze(self) -> None:
        """Accepts everything and passes nothing on, as a stopped process or a network that swallows packets."""
        self._do(self._freeze)

    def thaw(self) -> None:
        """Passes on what has waited, and what comes."""
        self._do(self._thaw)

    def end(self) -> None:
        """Ends the relay."""
        self.thaw()
        self.cut()
        self._do(self._settle)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.run_coroutine_threadsafe(act(), self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _freeze(self) -> None:
        self._flowing.clear()

    async def _thaw(self) -> None:
        self._flowing.set()

    async def _settle(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._flowing.wait()
            behind_reader, behind = await asyncio.open_connection(*self.behind)
            self._writers.add(behind)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, behind, self.sent))
                both.create_task(self._pump(behind_reader, writer, None))
            self._writers.discard(behind)
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray | None) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                if kept is not None:
                    kept += data
                writer.write(data)
                await writer.drain()
        writer.close()


@contextmanager
def relayed(url: str, **query: str) -> Iterator[tuple[Relay, str]]:
    """A relay to the server that `url` names, and the URL that leads through it."""
    parts = urlsplit(url)
    relay = Relay(parts.hostname or "127.0.0.1", parts.port or {"redis": 6379, "postgres": 5432}[parts.scheme])
    login, at, _ = parts.netloc.rpartition("@")
    more = "&".join(f"{name}={value}" for name, value in query.items())
    try:
        yield relay, urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{relay.port}", query=more))
    finally:
        relay.end()
