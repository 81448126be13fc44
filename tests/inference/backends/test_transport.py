"""The connections to engines, against servers that behave and servers that do not, on both event loops."""

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from inference.backends import transport
from inference.backends.connection import HIGH_WATER
from inference.backends.transport import TRANSPORT_ERRORS, EngineResponse, close_transport, pool, send

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

Serve = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One accepted connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.reader, self.writer, self.number = reader, writer, number

    async def request(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return head + await self.reader.readexactly(length)

    async def answer(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


class Engine:
    """A server whose connections `serve` handles; closed when `serve` returns."""

    def __init__(self, serve: Serve, tls: ssl.SSLContext | None = None) -> None:
        self.serve = serve
        self.tls = tls
        self.connections = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.serve(Peer(reader, writer, self.connections))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def __aenter__(self) -> "Engine":
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0, ssl=self.tls)
        scheme = "https" if self.tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/v2/x"
        return self

    async def __aexit__(self, *_: object) -> None:
        await close_transport()
        self.server.close()


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest):
    """Runs a coroutine on one of the two event loops."""

    def run(test: Callable[[], Awaitable[None]]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(test(), 10))

    return run


async def whole(response: EngineResponse) -> bytes:
    body = b""
    with response:
        while chunk := await response.read():
            body += chunk
    return body


async def always_ok(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.answer(OK)


def test_a_request_goes_out_whole_and_its_connection_serves_the_next(run):
    seen = []

    async def echo(peer: Peer) -> None:
        while True:
            seen.append(await peer.request())
            await peer.answer(OK)

    async def test() -> None:
        async with Engine(echo) as engine:
            for _ in range(3):
                response = await send("POST", engine.url + "?a=b", headers={"x-secret": "s"}, body=b"{}")
                assert response.status_code == 200
                assert await whole(response) == b"ok"
            assert engine.connections == 1
        assert seen[0].startswith(b"POST /v2/x?a=b HTTP/1.1\r\nhost: 127.0.0.1:")
        assert b"\r\nx-secret: s\r\n" in seen[0]
        assert seen[0].endswith(b"\r\n\r\n{}")

    run(test)


def test_requests_at_the_same_time_have_connections_of_their_own(run):
    async def test() -> None:
        async with Engine(always_ok) as engine:
            answers = [send("GET", engine.url) for _ in range(5)]
            bodies = [await whole(response) for response in await asyncio.gather(*answers)]
            assert bodies == [b"ok"] * 5
            assert engine.connections == 5

    run(test)


def test_a_connection_that_the_engine_closed_meanwhile_is_replaced_without_a_word(run):
    async def one_each(peer: Peer) -> None:
        await peer.request()
        await peer.answer(OK)
        if peer.number == 1:
            # The second request arrives and is never answered: the engine had closed already.
            await peer.request()

    async def test() -> None:
        async with Engine(one_each) as engine:
            assert await whole(await send("POST", engine.url)) == b"ok"
            assert await whole(await send("POST", engine.url)) == b"ok"
            assert engine.connections == 2

    run(test)


def test_a_fresh_connection_that_is_closed_without_an_answer_is_an_error(run):
    async def hang_up(peer: Peer) -> None:
        await peer.request()

    async def test() -> None:
        async with Engine(hang_up) as engine:
            with pytest.raises(TRANSPORT_ERRORS):
                await send("POST", engine.url)
            assert engine.connections == 1

    run(test)


def test_an_answer_cut_short_is_an_error_after_what_there_was(run):
    async def cut(peer: Peer) -> None:
        await peer.request()
        await peer.answer(CHUNKED + b"5\r\nhello\r\n")

    async def test() -> None:
        async with Engine(cut) as engine:
            with await send("POST", engine.url) as response:
                assert await response.read() == b"hello"
                with pytest.raises(TRANSPORT_ERRORS):
                    await response.read()

    run(test)


def test_the_end_of_the_connection_ends_a_body_that_nothing_else_delimits(run):
    async def until_the_end(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"HTTP/1.1 200 OK\r\n\r\nall there is")

    async def test() -> None:
        async with Engine(until_the_end) as engine:
            assert await whole(await send("GET", engine.url)) == b"all there is"

    run(test)


def test_an_interim_response_is_passed_over(run):
    async def patient(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.answer(b"HTTP/1.1 100 Continue\r\n\r\n")
            await peer.answer(OK)

    async def test() -> None:
        async with Engine(patient) as engine:
            assert await whole(await send("GET", engine.url)) == b"ok"
            assert await whole(await send("GET", engine.url)) == b"ok"
            assert engine.connections == 1

    run(test)


@pytest.mark.parametrize(
    "nonsense",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", b"\0" * 100, OK + OK[:20]],
)
def test_what_is_no_answer_is_an_error_or_ends_the_connection(run, nonsense: bytes):
    async def babble(peer: Peer) -> None:
        await peer.request()
        await peer.answer(nonsense)
        await peer.reader.read()

    async def test() -> None:
        async with Engine(babble) as engine:
            for _ in range(2):
                with contextlib.suppress(TRANSPORT_ERRORS):
                    assert await whole(await send("GET", engine.url)) == b"ok"
            assert engine.connections == 2

    run(test)


def test_a_second_answer_is_not_taken_for_the_next_requests(run):
    async def twice(peer: Peer) -> None:
        await peer.request()
        await peer.answer(OK)
        await asyncio.sleep(0.05)
        await peer.answer(OK.replace(b"ok", b"no"))
        await peer.request()

    async def test() -> None:
        async with Engine(twice) as engine:
            assert await whole(await send("GET", engine.url)) == b"ok"
            await asyncio.sleep(0.1)
            assert await whole(await send("GET", engine.url)) == b"ok"
            assert engine.connections == 2

    run(test)


def test_an_endless_head_is_given_up(run):
    async def endless(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.answer(b"x-filler: " + b"y" * 1000 + b"\r\n")

    async def test() -> None:
        async with Engine(endless) as engine:
            with pytest.raises(TRANSPORT_ERRORS):
                await send("GET", engine.url)

    run(test)


def test_an_engine_is_held_back_while_nobody_reads(run):
    sent = 0

    async def flood(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.answer(CHUNKED)
        while True:
            await peer.answer(b"4000\r\n" + b"z" * 0x4000 + b"\r\n")
            sent += 0x4000

    async def test() -> None:
        async with Engine(flood) as engine:
            with await send("POST", engine.url) as response:
                await asyncio.sleep(0.3)
                before = sent
                await asyncio.sleep(0.2)
                # What is on its way fills the kernel's buffers, and then nothing more is sent.
                assert sent == before
                assert len(await response.read()) < HIGH_WATER + 512 * 1024
                # Once that has been read it goes on.
                read = 0
                while read < 2 * before:
                    read += len(await response.read())
                assert sent > before

    run(test)


def test_leaving_an_answer_closes_the_connection_and_the_engine_notices(run):
    async def test() -> None:
        noticed = asyncio.Event()

        async def endless(peer: Peer) -> None:
            await peer.request()
            await peer.answer(CHUNKED + b"1\r\na\r\n")
            try:
                await peer.reader.read()
            finally:
                noticed.set()

        async with Engine(endless) as engine:
            with await send("POST", engine.url) as response:
                assert await response.read() == b"a"
            await noticed.wait()
            # So it does when the request is cancelled before the head is there.
            noticed.clear()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    with await send("POST", engine.url) as response:
                        await response.read()
                        await response.read()
            await noticed.wait()

    run(test)


def test_idle_connections_are_closed_after_a_while(run, monkeypatch):
    monkeypatch.setattr(transport, "KEEPALIVE_SECONDS", 0.1)

    async def test() -> None:
        async with Engine(always_ok) as engine:
            responses = await asyncio.gather(*(send("GET", engine.url) for _ in range(3)))
            for response in responses:
                await whole(response)
            assert [len(idle) for idle in pool()._idle.values()] == [3]
            await asyncio.sleep(0.4)
            assert not pool()._idle
            assert await whole(await send("GET", engine.url)) == b"ok"
            assert engine.connections == 4

    run(test)


def test_nobody_listening_is_an_error(run):
    async def test() -> None:
        async with Engine(always_ok) as engine:
            url = engine.url
        with pytest.raises(httpx.ConnectError):
            await send("GET", url)
        with pytest.raises(httpx.ConnectError):
            await send("GET", "http://no-such-host.invalid/")

    run(test)


def test_a_header_cannot_break_out_of_its_line(run):
    async def test() -> None:
        async with Engine(always_ok) as engine:
            for value in ("a\r\nx-admin: 1", "a\nb", "a\0b"):
                with pytest.raises(httpx.LocalProtocolError):
                    await send("GET", engine.url, headers={"x-secret": value})

    run(test)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "engine")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.mark.parametrize("trusted", [True, False])
def test_https_engines_must_show_a_certificate_that_is_trusted(run, certificate, monkeypatch, trusted: bool):
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    transport._tls.cache_clear()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)

    async def test() -> None:
        async with Engine(always_ok, context) as engine:
            if trusted:
                assert await whole(await send("GET", engine.url)) == b"ok"
                assert await whole(await send("GET", engine.url)) == b"ok"
                assert engine.connections == 1
            else:
                with pytest.raises(httpx.ConnectError):
                    await send("GET", engine.url)

    try:
        run(test)
    finally:
        transport._tls.cache_clear()
