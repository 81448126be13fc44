"""The HTTP client to engines: a pool of connections for each event loop, with httpx's errors."""

import asyncio
import ssl
from functools import lru_cache
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from inference.backends.connection import Connection

CONNECT_SECONDS = 5.0
# Shorter than what servers and load balancers keep idle connections for (60 s and more).
KEEPALIVE_SECONDS = 30.0

TRANSPORT_ERRORS = httpx.TransportError

Origin = tuple[bool, str, int]


class EngineResponse:
    """A response whose head is there: `status_code`, `headers` (names in small letters) and a body still to be read.

    Used as a context: leaving it gives the connection back, or closes it where the body was not read to its end, which
    is how an engine learns that nobody waits for the rest.
    """

    __slots__ = ("_connection", "_open", "_origin", "_pool", "headers", "read", "status_code")

    def __init__(self, pool: "ConnectionPool", origin: Origin, connection: Connection) -> None:
        self._pool = pool
        self._origin = origin
        self._connection = connection
        self._open = True
        self.status_code = connection.status
        self.headers = connection.headers
        # More of the body as it came, empty at the end; raises `TRANSPORT_ERRORS`.
        self.read = connection.read

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def complete(self) -> bool:
        """Whether all of the body has been read."""
        return self._connection.drained

    def close(self) -> None:
        """Gives the connection back or closes it; harmless twice."""
        if self._open:
            self._open = False
            self._pool.release(self._origin, self._connection)


class ConnectionPool:
    """Idle connections by origin, used again last in, first out; without a limit, which `routing` sets."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle: dict[Origin, list[Connection]] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def request(self, origin: Origin, request: bytes) -> EngineResponse:
        """Sends `request` to `origin` and waits for the response's head. Raises `TRANSPORT_ERRORS`."""
        while True:
            connection = self._take(origin) or await self._connect(origin)
            try:
                connection.send(request)
                await connection.head()
                return EngineResponse(self, origin, connection)
            except TRANSPORT_ERRORS:
                connection.abort()
                # The engine closed it for its age while the request was on its way (RFC 9112, 9.3.1).
                if not connection.reused or connection.responded:
                    raise
            except BaseException:
                connection.abort()
                raise

    def release(self, origin: Origin, connection: Connection) -> None:
        """A response is done with: its connection is kept for the next request if it can be."""
        connection.idle_since = now = self._loop.time()
        if self._closed or not connection.reusable:
            connection.abort()
            return
        connection.reused = True
        self._idle.setdefault(origin, []).append(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_at(now + KEEPALIVE_SECONDS, self._sweep)

    def close(self) -> None:
        """Closes what is idle, and later what is given back."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()

    def _take(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.usable and self._loop.time() - connection.idle_since < KEEPALIVE_SECONDS:
                return connection
            connection.abort()
        return None

    def _sweep(self) -> None:
        """Closes what nobody has used for a while."""
        self._sweeper = None
        oldest = self._loop.time() - KEEPALIVE_SECONDS
        for origin, idle in list(self._idle.items()):
            for connection in idle:
                if connection.idle_since <= oldest or not connection.usable:
                    connection.abort()
            self._idle[origin] = [connection for connection in idle if connection.usable]
            if not self._idle[origin]:
                del self._idle[origin]
        if self._idle:
            first = min(connection.idle_since for idle in self._idle.values() for connection in idle)
            self._sweeper = self._loop.call_at(first + KEEPALIVE_SECONDS, self._sweep)

    async def _connect(self, origin: Origin) -> Connection:
        secure, host, port = origin
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop), host, port, ssl=_tls() if secure else None
                )
        except TimeoutError as error:
            raise httpx.ConnectTimeout("The engine does not accept connections.") from error
        except OSError as error:
            raise httpx.ConnectError("The engine cannot be reached.") from error
        return connection


_pools: dict[asyncio.AbstractEventLoop, ConnectionPool] = {}


def pool() -> ConnectionPool:
    """This event loop's connections; made on first use."""
    loop = asyncio.get_running_loop()
    found = _pools.get(loop)
    if found is None:
        for ended in [other for other in _pools if other.is_closed()]:
            del _pools[ended]
        found = _pools[loop] = ConnectionPool()
    return found


async def close_transport() -> None:
    """Closes this event loop's connections."""
    found = _pools.pop(asyncio.get_running_loop(), None)
    if found is not None:
        found.close()


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


@lru_cache(maxsize=1024)
def _address(method: str, url: str) -> tuple[Origin, bytes]:
    """The origin of a URL, and the beginning of the head of a request to it."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    origin = (secure, parts.hostname or "", parts.port or (443 if secure else 80))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    return origin, f"{method} {path} HTTP/1.1\r\nhost: {host}\r\naccept-encoding: identity\r\n".encode("ascii")


@lru_cache(maxsize=1024)
def _fields(headers: tuple[tuple[str, str], ...]) -> bytes:
    """Header fields as they are sent. Raises `httpx.LocalProtocolError` for one that would break out of its line."""
    for name, value in headers:
        if any(character in name + value for character in "\r\n\0"):
            raise httpx.LocalProtocolError("A header holds a line break.")
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin1", "replace")


async def send(method: str, url: str, *, headers: dict[str, str] | None = None, body: bytes = b"") -> EngineResponse:
    """Sends one request and returns when the response's head is there; the body is still to be read and closed.

    Raises `TRANSPORT_ERRORS`. How long to wait for an answer is the caller's business.
    """
    origin, head = _address(method, url)
    fields = _fields(tuple(headers.items())) if headers else b""
    return await pool().request(origin, b"%bcontent-length: %d\r\n%b\r\n%b" % (head, len(body), fields, body))
