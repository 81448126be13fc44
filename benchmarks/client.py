"""An HTTP client that costs next to nothing, so that the load does not become what is measured."""

import asyncio
from dataclasses import dataclass
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

import httptools

from benchmarks.upstream import MARK

MARK_BYTE = MARK.encode()
# The end of a stream on the wire: OpenAI's last event, its end as a chunk, and the last chunk of HTTP's chunked coding.
DONE = b"data: [DONE]\n\n\r\n0\r\n\r\n"
# Shorter than uvicorn's 5 s: a connection that the server is about to close must not carry a request.
KEEP_ALIVE_SECONDS = 2.0


class AnswerError(Exception):
    """A server answered other than it must; the text says how."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load: where, with which headers, and whether it speaks OpenAI's wire format."""

    name: str
    url: str
    headers: dict[str, str]
    openai: bool


@dataclass(slots=True)
class Exchange:
    """One request's times in seconds from its sending, its tokens, the number of reads that brought them, and whether
    its stream ended with [DONE]."""

    total: float
    first_token: float
    longest_gap: float
    tokens: int
    reads: int
    done: bool


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time.

    Tokens are counted by their mark in the bytes as they come: no head, chunk size or JSON around them holds one.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.loop = asyncio.get_running_loop()
        self.closed = False
        self.idle_since = 0.0
        self.answer: asyncio.Future[Exchange] | None = None
        self.times: list[float] | None = None
        self.content: list[bytes] = []
        self.keep = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected."""
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio: the server hung up."""
        self.closed = True
        self.fail(f"connection closed after {self.tokens if self.answer else 0} tokens: {error!r}")

    def ask(self, request: bytes, *, times: list[float] | None, keep: bool) -> "asyncio.Future[Exchange]":
        """Send a request; its answer."""
        self.answer = self.loop.create_future()
        self.parser = httptools.HttpResponseParser(self)
        self.times, self.keep, self.content = times, keep, []
        self.tokens = self.reads = 0
        self.first = self.gap = 0.0
        self.tail = b""
        self.began = self.last = perf_counter()
        self.transport.write(request)
        return self.answer

    def data_received(self, data: bytes) -> None:
        """asyncio: a part of the answer."""
        if found := data.count(MARK_BYTE):
            now = perf_counter()
            if not self.tokens:
                self.first = now - self.began
            elif now - self.last > self.gap:
                self.gap = now - self.last
            self.last = now
            self.tokens += found
            self.reads += 1
            if self.times is not None:
                self.times.append(now)
        self.tail = (self.tail + data)[-len(DONE) :]
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.fail(f"malformed HTTP: {error}")

    def on_body(self, data: bytes) -> None:
        """httptools: a part of the body; kept if asked for, or for the text of an error."""
        if self.keep or self.parser.get_status_code() != 200:
            self.content.append(data)

    def on_message_complete(self) -> None:
        """httptools: the answer is whole."""
        if self.answer is None or self.answer.done():
            return
        if (status := self.parser.get_status_code()) != 200:
            self.fail(f"{status} {b''.join(self.content)[:500]!r}")
            return
        now = self.idle_since = perf_counter()
        if not self.parser.should_keep_alive():
            self.close()
        times = now - self.began, self.first, self.gap
        self.answer.set_result(Exchange(*times, self.tokens, self.reads, self.tail == DONE))
        self.answer = None

    def fail(self, problem: str) -> None:
        """The answer is an `AnswerError`, and the connection of no more use."""
        self.close()
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(AnswerError(f"{self.name}: {problem}"))
        self.answer = None

    def close(self) -> None:
        """Hang up."""
        self.closed = True
        self.transport.close()


class Client:
    """A target's connections: kept and used again, as many as there are requests at once."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.opened = 0
        self._url = urlsplit(target.url)
        self._host, self._port = self._url.hostname or "", self._url.port or 80
        self._idle: list[Connection] = []

    def request(self, body: bytes) -> bytes:
        """A POST of `body`, as it goes over the wire."""
        headers = {
            "Host": self._url.netloc,
            "Accept": "*/*",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": "hanse-bench",
            **self.target.headers,
            "Content-Length": str(len(body)),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {self._url.path} HTTP/1.1\r\n{head}\r\n".encode() + body

    async def ask(self, request: bytes, *, times: list[float] | None = None) -> Exchange:
        """Send a request and read its answer to the end. Raises `AnswerError`."""
        connection = await self._take()
        try:
            return await connection.ask(request, times=times, keep=False)
        finally:
            self._give_back(connection)

    async def content(self, request: bytes) -> bytes:
        """The body that a request is answered with. Raises `AnswerError`."""
        connection = await self._take()
        try:
            await connection.ask(request, times=None, keep=True)
        finally:
            self._give_back(connection)
        return b"".join(connection.content)

    def close(self) -> None:
        """Hang up all connections without a request."""
        while self._idle:
            self._idle.pop().close()

    async def _take(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and perf_counter() - connection.idle_since < KEEP_ALIVE_SECONDS:
                return connection
            connection.close()
        self.opened += 1
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self.target.name), self._host, self._port)
        return connection

    def _give_back(self, connection: Connection) -> None:
        if connection.answer is not None:
            # Nobody waits for the rest of this answer.
            connection.close()
        elif not connection.closed:
            self._idle.append(connection)
