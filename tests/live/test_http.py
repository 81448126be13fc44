"""Requests as they come over a socket: slowly, without an end, too large, or with a wish for another protocol."""

import json
import socket
import time
from collections.abc import Iterator

import pytest

from tests.live.asking import CHAT, HELLO, check_error
from tests.stack import Server, Stack

pytestmark = [pytest.mark.live, pytest.mark.faults]

REQUEST_SECONDS = 1


@pytest.fixture(scope="module")
def hasty(stack: Stack) -> Iterator[Server]:
    """A server with little patience."""
    with stack.serve(CLIENT_REQUEST_SECONDS=str(REQUEST_SECONDS)) as running:
        yield running


class Client:
    """A socket, and what comes back on it."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=10)
        self.received = b""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """All of it."""
        self.socket.sendall(data)

    def until_closed(self) -> bytes:
        """Everything that the server sends until it closes the connection in order."""
        while data := self.socket.recv(65536):
            self.received += data
        return self.received

    def answer(self) -> tuple[int, dict]:
        """Status and JSON of the next answer, which must tell its length."""
        while b"\r\n\r\n" not in self.received:
            self.more()
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers["content-length"])
        while len(self.received) < length:
            self.more()
        body, self.received = self.received[:length], self.received[length:]
        return int(status.split()[1]), json.loads(body)

    def more(self) -> None:
        """The next bytes."""
        data = self.socket.recv(65536)
        assert data, "The server closed the connection without an answer."
        self.received += data


def head(stack: Stack, *lines: str, key: str = "") -> bytes:
    """A POST to the chat endpoint, without a body."""
    first = (f"POST {CHAT} HTTP/1.1", "host: localhost", "content-type: application/json")
    return "\r\n".join((*first, f"authorization: Bearer {key or stack.api_key}", *lines, "", "")).encode()


CONTENT = json.dumps({"model": "demo-chat", "messages": HELLO, "max_tokens": 5}).encode()


@pytest.mark.parametrize("sent", ["nothing", "half a head", "half a body"])
def test_a_request_that_does_not_come_is_not_waited_for(hasty, stack, sent):
    whole = head(stack, f"content-length: {len(CONTENT)}") + CONTENT
    with Client(hasty) as client:
        start = time.monotonic()
        # A byte now and then does not help.
        drips = {"nothing": b"", "half a head": whole[:60], "half a body": whole[:-40]}[sent]
        client.send(drips)
        for index in range(len(drips), len(drips) + 3 * bool(drips)):
            time.sleep(0.2)
            client.send(whole[index : index + 1])
        if sent == "nothing":
            assert client.until_closed() == b""
        else:
            status, body = client.answer()
            check_error(body, "invalid_request_error", "request_timeout")
            assert status == 408
            assert client.until_closed() == b""
        # The server began to count when the connection came.
        assert REQUEST_SECONDS - 0.1 <= time.monotonic() - start < REQUEST_SECONDS + 5


def test_a_slow_answer_is_not_taken_for_a_slow_request(hasty, stack):
    slow = json.dumps({"model": "demo-chat", "messages": [{"role": "user", "content": "[[delay=2.5]]"}]}).encode()
    with Client(hasty) as client:
        for content in (slow, CONTENT):
            client.send(head(stack, f"content-length: {len(content)}") + content)
            assert client.answer()[0] == 200
        # Nor is a connection that rests, even after a stray line break.
        client.send(b"\r\n")
        time.sleep(REQUEST_SECONDS + 1.5)
        client.send(head(stack, f"content-length: {len(CONTENT)}") + CONTENT)
        assert client.answer()[0] == 200


def test_endless_headers_are_refused(uvicorn, stack):
    with Client(uvicorn) as client:
        client.send(head(stack)[:-2])
        for _ in range(33):
            client.send(b"x-more: %b\r\n" % (b"x" * 2000))
        status, body = client.answer()
    check_error(body, "invalid_request_error", "request_headers_too_large")
    assert status == 431


@pytest.mark.parametrize(("begin", "piece"), [(b"", b"1\r\n \r\n" * 4000), (b"0\r\n", b"x-trailer: y\r\n" * 1000)])
def test_a_body_that_is_mostly_frame_is_refused(uvicorn, stack, begin, piece):
    with Client(uvicorn) as client:
        client.send(head(stack, "transfer-encoding: chunked") + begin)
        for _ in range(5):
            client.send(piece)
            time.sleep(0.05)
        status, body = client.answer()
    check_error(body, "invalid_request_error", "malformed_request")
    assert status == 400


def test_what_is_no_http_is_told_so(uvicorn):
    with Client(uvicorn) as client:
        client.send(b"HELLO\r\n\r\n")
        status, body = client.answer()
        assert client.until_closed() == b""
    check_error(body, "invalid_request_error", "malformed_request")
    assert status == 400


def test_a_strangers_large_body_is_not_read(uvicorn, stack):
    with Client(uvicorn) as client:
        client.send(head(stack, "content-length: 20000000", key="sk-wrong") + b" " * 200_000)
        status, body = client.answer()
        check_error(body, "invalid_request_error", "invalid_api_key")
        assert status == 401
        # Some more is taken, for clients that send first and listen later; then it ends.
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            for _ in range(200):
                client.send(b" " * 100_000)


def test_a_large_body_with_a_good_key_is_read_to_its_end(server, stack):
    content = CONTENT + b" " * 3_000_000
    with Client(server) as client:
        client.send(head(stack, f"content-length: {len(content)}") + content)
        assert client.answer()[0] == 200


@pytest.mark.parametrize("connection", ["Upgrade, HTTP2-Settings", "upgrade", "keep-alive, Upgrade"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_wish_for_another_protocol_is_passed_over(uvicorn, stack, connection, chunked):
    # As curl --http2 sends it.
    wish = (f"Connection: {connection}", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
    framing = "transfer-encoding: chunked" if chunked else f"content-length: {len(CONTENT)}"
    content = b"%x\r\n%b\r\n0\r\n\r\n" % (len(CONTENT), CONTENT) if chunked else CONTENT
    with Client(uvicorn) as client:
        # In one piece, in two, and again on the same connection.
        client.send(head(stack, *wish, framing) + content)
        status, body = client.answer()
        assert (status, body["object"]) == (200, "chat.completion")
        client.send(head(stack, *wish, framing))
        time.sleep(0.05)
        client.send(content)
        assert client.answer()[0] == 200
        client.send(head(stack, framing) + content)
        assert client.answer()[0] == 200


def test_a_websocket_is_an_ordinary_request(uvicorn, stack):
    with Client(uvicorn) as client:
        client.send(
            b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"authorization: Bearer %b\r\n\r\n" % stack.api_key.encode()
        )
        assert client.answer()[0] == 200


def test_this_is_no_proxy(uvicorn):
    with Client(uvicorn) as client:
        client.send(b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n")
        assert client.answer()[0] == 400


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_begins_in_one_piece(uvicorn: Server, stack: Stack, streamed: bool) -> None:
    body = json.dumps({"model": "demo-chat", "messages": HELLO, "max_tokens": 5, "stream": streamed}).encode()
    with Client(uvicorn) as client:
        for _ in range(5):
            client.send(head(stack, f"content-length: {len(body)}") + body)
            first = client.socket.recv(65536)
            assert b"\r\n\r\n" in first
            assert first.partition(b"\r\n\r\n")[2]
            while not first.endswith((b"0\r\n\r\n", b"}")):
                first += client.socket.recv(65536)
