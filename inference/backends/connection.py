"""One HTTP/1.1 connection to an engine: a request goes out whole, its response comes in as it arrives.

Leaner than a general client, which spends more on a request than all other steps of the gateway together (decision
0012): no redirects, cookies, compression, proxies or pipelining, which have no place between a gateway and its engines.
"""

import asyncio
from typing import cast

import httptools
import httpx

# Read and not yet taken: above it the engine is held back, so that a client that reads slowly costs no memory.
HIGH_WATER = 64 * 1024
MAX_HEAD_BYTES = 64 * 1024
# What has no body (RFC 9112, 6.3); interim responses come before the real one.
FIRST_FINAL_STATUS = 200


class Connection(asyncio.Protocol):
    """A connection, used by one request at a time; every method belongs to its event loop.

    `send` raises `httpx.TransportError`, and so do `head` and `read`.
    """

    __slots__ = (
        "_body",
        "_broken",
        "_buffered",
        "_delimited",
        "_head_bytes",
        "_head_done",
        "_keep_alive",
        "_loop",
        "_parser",
        "_paused",
        "_transport",
        "_waiter",
        "complete",
        "headers",
        "idle_since",
        "responded",
        "reused",
        "status",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser: httptools.HttpResponseParser | None = None
        self._transport: asyncio.Transport | None = None
        self._broken: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False
        self.idle_since = 0.0
        self.reused = False
        self._prepare()

    def _prepare(self) -> None:
        self._body: list[bytes] = []
        self._buffered = 0
        self._head_bytes = 0
        self._head_done = self._delimited = self._keep_alive = False
        self.responded = False
        self.complete = False
        self.status = 0
        self.headers: dict[bytes, bytes] = {}

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self._broken is None and self._transport is not None and not self._transport.is_closing()

    @property
    def drained(self) -> bool:
        """Whether the response has been read to its end."""
        return self.complete and not self._body

    @property
    def reusable(self) -> bool:
        """Whether the response has been read to its end and the engine keeps the connection open."""
        return self.drained and self._keep_alive and self.usable

    def send(self, request: bytes) -> None:
        """Writes a request, head and body; a response to it is then awaited with `head`."""
        if not self.usable:
            raise self._broken or httpx.WriteError("The connection is closed.")
        self._prepare()
        # One of its own for each response: after an error, or an answer cut short, a parser cannot be trusted.
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request)  # type: ignore[union-attr]

    async def head(self) -> int:
        """Waits for the response's head; its status."""
        while not self._head_done:
            if self._broken is not None:
                raise self._broken
            self._waiter = self._loop.create_future()
            await self._waiter
        return self.status

    async def read(self) -> bytes:
        """More of the body, all that is there; empty at its end."""
        while not self._body:
            if self.complete:
                return b""
            if self._broken is not None:
                raise self._broken
            self._waiter = self._loop.create_future()
            await self._waiter
        body = self._body
        self._body = []
        self._buffered = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()  # type: ignore[union-attr]
        return body[0] if len(body) == 1 else b"".join(body)

    def abort(self) -> None:
        """Closes at once, whatever is under way; the engine notices and stops."""
        self._break(httpx.ReadError("The connection was closed."))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _break(self, error: Exception) -> None:
        if self._broken is None:
            self._broken = error
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    # -- asyncio ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The engine is there."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of the response."""
        if self._parser is None or self.complete:
            # Nothing was asked: what comes now would be taken for the next request's answer.
            self._break(httpx.RemoteProtocolError("The engine sent more than its answer."))
            return
        self.responded = True
        if not self._head_done:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._break(httpx.RemoteProtocolError("The engine's answer is no HTTP."))
            return
        if not self._head_done and self._head_bytes > MAX_HEAD_BYTES:
            self._break(httpx.RemoteProtocolError("The engine's answer has an endless head."))
            return
        if self._buffered > HIGH_WATER and not self._paused:
            self._paused = True
            self._transport.pause_reading()  # type: ignore[union-attr]
        self._wake()

    def eof_received(self) -> None:
        """The engine has said all; the transport closes itself."""

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone: the end of a body that nothing else delimits, the breaking off of any other."""
        if self._head_done and not self._delimited and error is None and self._broken is None:
            self.complete = True
        if self._broken is None:
            self._broken = httpx.RemoteProtocolError("The engine closed the connection.")
        self._transport = None
        # It holds this object, and this object it: freed without the garbage collector.
        self._parser = None
        self._wake()

    # -- httptools --------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first line of a response; raises for a second one that nobody asked for."""
        if self.complete:
            raise httptools.HttpParserError("More than one response.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head."""
        name = name.lower()
        self.headers[name] = value
        if name in (b"content-length", b"transfer-encoding"):
            self._delimited = True

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self.status = cast(httptools.HttpResponseParser, self._parser).get_status_code()
        if self.status >= FIRST_FINAL_STATUS:
            self._head_done = True

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._body.append(data)
        self._buffered += len(data)

    def on_message_complete(self) -> None:
        """The response is whole; an interim one is forgotten."""
        if self._head_done:
            self.complete = True
            # Only now does the parser still know.
            self._keep_alive = cast(httptools.HttpResponseParser, self._parser).should_keep_alive()
        else:
            self.headers.clear()
            self._delimited = False
