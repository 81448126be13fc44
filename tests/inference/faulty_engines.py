"""Engines that go wrong on the wire, in every way we have seen or can think of, and one that works."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from inference.failures import BUSY, Reason

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Behaviour = Callable[[Reader, Writer], Awaitable[None]]

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
NO_JSON = b"e\r\ndata: <html>\n\n\r\n"
NO_UTF8 = b'1c\r\ndata: {"text_output":"\xff\xfe"}\n\n\r\n'
ODD = "Failed to process the request(s)"
DEAD_STUB = "Stub process 'demo_0_0' is not healthy."
DEAD_VLLM = "Error generating stream: EngineCore encountered an issue. See stack trace (above) for the root cause."


def event(**fields: object) -> bytes:
    """A server-sent event of the generate extension, as a chunk of HTTP's chunked coding."""
    data = b"data: %b\n\n" % json.dumps(fields).encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


def token(text: str, finish_reason: str = "None") -> bytes:
    """One token."""
    return event(text_output=text, finish_reason=finish_reason, num_input_tokens=4, num_output_tokens=1)


WHOLE = HEAD + token("Hello") + token(" world", "stop") + b"0\r\n\r\n"


def says(answer: bytes, *, hold: bool = False) -> Behaviour:
    """Writes `answer` and closes, or holds the connection open."""

    async def behave(reader: Reader, writer: Writer) -> None:
        writer.write(answer)
        await writer.drain()
        if hold:
            await reader.read()

    return behave


def refusal(status: str, body: bytes) -> bytes:
    """A whole response."""
    return b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status.encode(), len(body), body)


def failure(text: str) -> bytes:
    """Triton's answer when the first response is an error."""
    return refusal("400 Bad Request", b"data: %b\n\n" % json.dumps({"error": text}).encode())


async def resets(reader: Reader, writer: Writer) -> None:
    """Sends RST instead of an answer."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def half_closes(reader: Reader, writer: Writer) -> None:
    """Says that it has said all after the head, and goes on listening."""
    writer.write(HEAD)
    writer.write_eof()
    await reader.read()


async def endless_head(reader: Reader, writer: Writer) -> None:
    """Header fields for as long as they are taken."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x-more: %b\r\n" % (b"x" * 1000))
        await writer.drain()


async def trickling_head(reader: Reader, writer: Writer) -> None:
    """A head that never ends, slowly."""
    writer.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


def slowly(seconds: float) -> Behaviour:
    """A good answer, so long after the request."""

    async def behave(reader: Reader, writer: Writer) -> None:
        await asyncio.sleep(seconds)
        await WORKS(reader, writer)

    return behave


WORKS = says(WHOLE)
# Where nothing had begun: another deployment answers, and the customer notices at most the time.
FAULTS: dict[str, tuple[Behaviour, str]] = {
    "closes without a word": (says(b""), Reason.CONNECTION_BROKEN),
    "resets the connection": (resets, Reason.CONNECTION_BROKEN),
    "closes in the head": (says(b"HTTP/1.1 200 OK\r\ncontent-"), Reason.CONNECTION_BROKEN),
    "half-closes after the head": (half_closes, Reason.CONNECTION_BROKEN),
    "ends without an answer": (says(HEAD + b"0\r\n\r\n"), Reason.ENGINE_ERROR),
    "speaks no HTTP": (says(b"220 mail.example ESMTP\r\n\r\n"), Reason.CONNECTION_BROKEN),
    "speaks broken chunks": (says(HEAD + b"zz\r\n"), Reason.CONNECTION_BROKEN),
    "says no JSON": (says(HEAD + NO_JSON), Reason.ENGINE_ERROR),
    "says no UTF-8": (says(HEAD + NO_UTF8), Reason.ENGINE_ERROR),
    "has an endless head": (endless_head, Reason.CONNECTION_BROKEN),
    "has a head that trickles": (trickling_head, Reason.TIMEOUT),
    "hangs before the head": (says(b"", hold=True), Reason.TIMEOUT),
    "hangs after the head": (says(HEAD, hold=True), Reason.TIMEOUT),
    "hangs after a comment": (says(HEAD + b"5\r\n: x\n\n\r\n", hold=True), Reason.TIMEOUT),
    "says an error in a stream": (says(HEAD + event(error=ODD) + b"0\r\n\r\n"), Reason.ENGINE_ERROR),
    "says an odd error": (says(failure(ODD)), Reason.ENGINE_ERROR),
    "has a dead stub": (says(failure(DEAD_STUB)), Reason.ENGINE_DOWN),
    "has a dead engine": (says(failure(DEAD_VLLM)), Reason.ENGINE_DOWN),
    "has a dead engine in a stream": (says(HEAD + event(error=DEAD_VLLM) + b"0\r\n\r\n"), Reason.ENGINE_DOWN),
    "has lost the model": (says(failure("Request for unknown model: 'm' is not found")), Reason.ENGINE_DOWN),
    "has a full queue": (says(failure("[request id: 1] Exceeds maximum queue size")), BUSY),
    "has too many requests": (says(refusal("429 Too Many Requests", b"slow down")), BUSY),
    "refuses the secret": (says(refusal("401 Unauthorized", b"secret: canary")), Reason.SECRET_REFUSED),
    "forbids": (says(refusal("403 Forbidden", b'{"error":"expecting header canary"}')), Reason.SECRET_REFUSED),
    "is a proxy without its engine": (says(refusal("502 Bad Gateway", b"<html>canary</html>")), Reason.HTTP_ERROR),
    "redirects": (says(refusal("302 Found", b"")), Reason.HTTP_ERROR),
}
# After the first token nothing can be tried elsewhere.
BROKEN_OFF: dict[str, Behaviour] = {
    "closes": says(HEAD + token("Hello")),
    "ends without a finish": says(HEAD + token("Hello") + b"0\r\n\r\n"),
    "says an error": says(HEAD + token("Hello") + event(error=ODD) + b"0\r\n\r\n"),
    "says no JSON": says(HEAD + token("Hello") + NO_JSON),
    "says no UTF-8": says(HEAD + token("Hello") + NO_UTF8),
    "hangs": says(HEAD + token("Hello"), hold=True),
    "aborts": says(HEAD + token("Hello") + token("", "abort") + b"0\r\n\r\n"),
}


class Engine:
    """A server on a port of its own that behaves in one way towards every request; `behaviour` may be exchanged."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.requests = self.at_once = self.most_at_once = 0
        self.url = ""

    async def serve(self, reader: Reader, writer: Writer) -> None:
        """One connection, one request."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            self.requests += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            try:
                await self.behaviour(reader, writer)
            finally:
                self.at_once -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            with contextlib.suppress(ConnectionError):
                writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Engine"]:
        """While it listens."""
        connections: set[asyncio.Task[None]] = set()

        async def connected(reader: Reader, writer: Writer) -> None:
            task = asyncio.current_task()
            assert task is not None
            connections.add(task)
            try:
                await self.serve(reader, writer)
            except asyncio.CancelledError:
                writer.transport.abort()
            finally:
                connections.discard(task)

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for task in list(connections):
                task.cancel()
            await asyncio.gather(*connections, return_exceptions=True)
