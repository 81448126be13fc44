"""HTTP/1.1 as clients get it: uvicorn's protocol on httptools, with limits where it has none.

What a request pays for the limits is next to nothing: no timer, only a note when it did not come in one piece.
`check`, called once a second for every connection, looks at the clock.
"""

from collections.abc import Awaitable, Generator
from typing import Any

import httptools
import structlog
from django.conf import settings
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from accounts.errors import ApiError
from inference.errors import HeadersTooLarge, MalformedRequest, RequestTooSlow
from inference.wire.errors import error_body

# Of a head that takes more than one read; also of what frames a chunked body, beside the size of the body itself.
MAX_HEAD_BYTES = 64 * 1024
# A large body has all the time it needs at this rate.
SLOWEST_BYTES_PER_SECOND = 16 * 1024
# What asks for another protocol, which nobody here speaks (RFC 9110, 7.8: a server may ignore it).
UPGRADE = (b"upgrade", b"http2-settings")

log = structlog.get_logger(__name__)


class Collected(list[bytes]):
    """A transport that keeps what is written, until the real one gets it in one piece."""

    write = list.append
    closed = False

    def close(self) -> None:
        """Notes that the connection ends with it."""
        self.closed = True


class Sent:
    """What there is to wait for when it is done already."""

    def __await__(self) -> Generator[Any, None, None]:
        return iter(())  # type: ignore[return-value]


SENT = Sent()


class Cycle(RequestResponseCycle):
    """One request's answer, whose head goes out together with the first piece of its body: one system call and one
    packet where uvicorn has two."""

    held: Any = None

    def send(self, message: Any) -> Awaitable[None]:  # type: ignore[override]
        """ASGI's; no coroutine of its own for every token."""
        if self.held is not None or message["type"] == "http.response.start":
            return self.send_first(message)
        held_back = self.flow.write_paused or self.disconnected or self.response_complete
        if self.chunked_encoding and not held_back and message.get("more_body") and (body := message.get("body")):
            # A token, in the middle of an answer to a client that keeps up: what uvicorn's comes to.
            self.transport.write(b"%x\r\n%b\r\n" % (len(body), body))
            return SENT
        return super().send(message)

    async def send_first(self, message: Any) -> None:
        """Keeps the head until there is more."""
        if message["type"] == "http.response.start":
            self.held = message
            return
        head, self.held = self.held, None
        transport = self.transport
        together = Collected()
        self.transport = together  # type: ignore[assignment]
        try:
            await super().send(head)
            await super().send(message)
        finally:
            self.transport = transport
        transport.write(b"".join(together))
        if together.closed:
            transport.close()


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Since when the client owes us (the rest of) a request, and what came of it after the first read.
        self.owing_since: float | None = self.loop.time()
        self.received = self.body_bytes = 0
        # What waits for the client to read, and since when that has not changed.
        self.unsent = 0
        self.unsent_since = 0.0

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes from the client."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.go_on_without_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self.refuse(MalformedRequest("Your request is not valid HTTP."))
            return
        cycle = self.cycle
        if cycle is not None and cycle.scope is self.scope and not cycle.more_body:
            self.owing_since = None
            self.received = 0
        else:
            self.unfinished(len(data))

    def unfinished(self, size: int) -> None:
        """A read of `size` bytes left a request without its end."""
        if self.owing_since is None:
            # A read may also hold the end of the request before, so the first one does not count.
            self.owing_since = self.loop.time()
            return
        self.received += size
        if self.cycle is None or self.cycle.scope is not self.scope:
            if self.received > MAX_HEAD_BYTES:
                self.refuse(HeadersTooLarge(f"The headers of your request are larger than {MAX_HEAD_BYTES} bytes."))
        elif self.received - self.body_bytes > MAX_HEAD_BYTES + self.body_bytes:
            # Chunks of a byte, endless trailers: the body's own limit does not see them.
            self.refuse(MalformedRequest("The body of your request is mostly not body."))

    def on_headers_complete(self) -> None:
        """httptools: the head is there."""
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            # uvicorn has no other place to say which class answers.
            self.cycle.__class__ = Cycle

    def on_body(self, body: bytes) -> None:
        """httptools: a part of the body."""
        self.body_bytes += len(body)
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.body += body
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        """httptools: the request is whole, also one that was answered before it was."""
        self.body_bytes = 0
        cycle = self.cycle
        if cycle is not None and cycle.scope is self.scope:
            cycle.more_body = False
            cycle.message_event.set()

    def go_on_without_upgrade(self, rest: bytes) -> None:
        """Reads the request again without its wish for another protocol: httptools would drop its body.

        curl --http2 sends `Upgrade: h2c` with every first request.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.refuse(MalformedRequest("This is no proxy."))
            return
        head = [b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                kept = [token for token in value.split(b",") if token.strip().lower() not in UPGRADE]
                if kept:
                    head.append(name + b": " + b",".join(kept))
            elif name not in UPGRADE:
                head.append(name + b": " + value)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"\r\n".join((*head, b"", b"")) + rest)

    def drain(self, app: Any) -> None:
        """Gives new requests to `app`; an answer that has not begun yet will say that the connection ends."""
        self.app = app
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def check(self, now: float) -> None:
        """Gives up on a client that has been too slow by `now` (the loop's clock)."""
        unsent = self.transport.get_write_buffer_size()
        if unsent != self.unsent:
            self.unsent, self.unsent_since = unsent, now
        elif unsent and now - self.unsent_since > settings.CLIENT_STALL_SECONDS:
            log.info("client_does_not_read", seconds=settings.CLIENT_STALL_SECONDS)
            # The request behind it, if it still runs, hears of a client that is gone.
            self.transport.abort()
            return
        if self.owing_since is not None and self.flow.read_paused:
            # We do not read: the answer to an earlier request is under way.
            self.owing_since = now
        elif self.owing_since is not None:
            allowed = settings.CLIENT_REQUEST_SECONDS + self.received / SLOWEST_BYTES_PER_SECOND
            if now - self.owing_since > allowed:
                self.refuse(RequestTooSlow(f"Your request did not come within {allowed:.0f} seconds."))
        elif self.timeout_keep_alive_task is None and self.cycle.response_complete and not self.pipeline:
            # A stray line break has stopped uvicorn's timer of an idle connection.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def send_400_response(self, msg: str) -> None:
        """uvicorn: not HTTP."""
        self.refuse(MalformedRequest("Your request is not valid HTTP."))

    def refuse(self, error: ApiError) -> None:
        """Ends the connection; with OpenAI's error object where that can still be the answer to what came."""
        cycle = self.cycle
        answering = cycle is not None and not cycle.response_complete
        if self.transport.is_closing():
            return
        if answering and (self.pipeline or cycle.response_started or not cycle.more_body):
            self.transport.abort()
            return
        # A client that has sent nothing at all is told nothing.
        if answering or self.scope is not None:
            body = error_body(error)
            head = [STATUS_LINE[error.status], b"content-type: application/json\r\nconnection: close\r\n"]
            head += [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
            self.transport.write(b"".join((*head, b"content-length: %d\r\n\r\n" % len(body), body)))
        self.transport.close()
