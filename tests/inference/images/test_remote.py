"""Fetching pictures over real TLS, from a server on this machine that plays the public internet."""

import asyncio
import datetime
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from inference.conversation import Picture
from inference.errors import InvalidRequest
from inference.images import load_pictures
from inference.images.remote import Remote, fetch
from tests.inference.images.pictures import picture

PARAM = "messages[0].content[0].image_url.url"
PNG = picture("PNG")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"


def certificate(folder: Path) -> Path:
    """A certificate for localhost and 127.0.0.1 that signs itself; its file, the key in it too."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    file = folder / "server.pem"
    file.write_bytes(made.public_bytes(pem) + secret)
    return file


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of the servers here."""
    return certificate(tmp_path_factory.mktemp("tls"))


class Site:
    """An https server of a few pages; `seen` are the heads of the requests that came."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]] = {}
        self.seen: list[str] = []
        self.asked: list[str] = []
        self.port = 0
        self.remote = Remote()

    def url(self, path: str, host: str = "localhost") -> str:
        """The address of a page."""
        return f"https://{host}:{self.port}{path}"

    def allowed(self, address: str) -> bool:
        """Plays the list of public addresses: this machine is one."""
        self.asked.append(address)
        return True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.seen.append(head)
            page = self.pages[head.split(" ")[1]]
            if isinstance(page, bytes):
                writer.write(page)
                await writer.drain()
            else:
                await page(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def site(identity: Path, settings) -> AsyncIterator[Site]:
    """The server, where pictures may be fetched."""
    settings.REMOTE_IMAGES = True
    here = Site()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(identity)
    server = await asyncio.start_server(here.serve, "127.0.0.1", 0, ssl=context)
    here.port = server.sockets[0].getsockname()[1]
    here.remote = Remote(
        allowed=here.allowed, ports=frozenset({here.port}), tls=lambda: ssl.create_default_context(cafile=identity)
    )
    here.pages["/a.png"] = HEAD + b"content-length: %d\r\n\r\n%b" % (len(PNG), PNG)
    async with server:
        yield here


async def refused(url: str, remote: Remote | None) -> str | None:
    """The code of the refusal of a URL; whatever it is, it tells nothing of addresses and content."""
    with pytest.raises(InvalidRequest) as raised:
        await fetch(url, param=PARAM, remote=remote)
    error = raised.value
    assert (error.status, error.param) == (400, PARAM)
    assert error.__context__ is None
    assert error.__cause__ is None
    assert "127.0.0.1" not in error.message
    return error.code


def redirect(location: str, status: int = 302) -> bytes:
    """An answer that leads elsewhere."""
    return f"HTTP/1.1 {status} Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode()


async def test_a_picture_comes_and_is_checked(site):
    pictures = [Picture(site.url("/a.png"), PARAM), Picture(site.url("/a.png", "127.0.0.1"), PARAM)]
    assert await load_pictures(pictures, remote=site.remote) == (PNG, PNG)
    head = site.seen[0].lower()
    assert head.startswith("get /a.png http/1.1\r\n")
    assert f"host: localhost:{site.port}" in head
    assert "accept-encoding: identity" in head
    assert not {"cookie", "authorization", "referer"} & {line.split(":")[0] for line in head.split("\r\n")}


async def test_what_comes_is_sniffed_whatever_its_type(site):
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    site.pages["/b.svg"] = b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n" + svg
    with pytest.raises(InvalidRequest) as raised:
        await load_pictures([Picture(site.url("/b.svg"), PARAM)], remote=site.remote)
    assert raised.value.code == "invalid_image_format"


async def test_nothing_is_fetched_unless_the_operator_allows_it(site, settings):
    settings.REMOTE_IMAGES = False
    with pytest.raises(InvalidRequest) as raised:
        await load_pictures([Picture(site.url("/a.png"), PARAM)], remote=site.remote)
    assert raised.value.code == "invalid_image_url"
    assert site.seen == site.asked == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]"])
async def test_this_machine_is_not_reached(site, host):
    closed = Remote(ports=site.remote.ports, tls=site.remote.tls)
    assert await refused(site.url("/a.png", host), closed) in {"failed_to_download_image", "invalid_image_url"}
    assert site.seen == []


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://127.0.0.1/a.png", "failed_to_download_image"),
        ("https://localhost/a.png", "failed_to_download_image"),
        ("https://[::1]/a.png", "failed_to_download_image"),
        ("https://169.254.169.254/latest/meta-data/", "failed_to_download_image"),
        ("https://0x7f000001/", "failed_to_download_image"),
        ("http://127.0.0.1/a.png", "invalid_image_url"),
        ("https://127.0.0.1:8443/a.png", "invalid_image_url"),
    ],
)
async def test_as_it_is_set_up_nothing_of_our_own_network_is_fetched(settings, url, code):
    settings.REMOTE_IMAGES = True
    with pytest.raises(InvalidRequest) as raised:
        await load_pictures([Picture(url, PARAM)])
    assert raised.value.code == code


async def test_one_closed_address_among_several_is_enough(site):
    site.pages["/a.png"] = HEAD
    mixed = Remote(allowed=lambda address: ":" not in address, ports=site.remote.ports, tls=site.remote.tls)
    known = {address[0] for *_, address in await asyncio.get_running_loop().getaddrinfo("localhost", site.port)}
    refusing = Remote(allowed=lambda address: False, ports=site.remote.ports, tls=site.remote.tls)
    assert await refused(site.url("/a.png"), refusing) == "failed_to_download_image"
    if any(":" in address for address in known):
        assert await refused(site.url("/a.png"), mixed) == "failed_to_download_image"
    assert site.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.eu/a.png",
        "https://example.eu:8443/a.png",
        "https://user@example.eu/a.png",
        "https://user:secret@example.eu/a.png",
        "https://@example.eu/a.png",
        "https://example.eu\\@evil.eu/a.png",
        "https://example.eu/a b.png",
        "https://example.eu/a\r\nhost: evil.eu",
        "https://example.eu/a\tb.png",
        "https://example.eu:port/a.png",
        "https:///a.png",
        "https://",
        "https:example.eu/a.png",
        "https://[fe80::1%25eth0]/a.png",
        "https://[::1/a.png",
        "https://exa%6dple.eu/a.png",
        f"https://{'a' * 70}.eu/a.png",
        f"https://example.eu/{'a' * 5000}",
        "ftp://example.eu/a.png",
    ],
)
async def test_urls_of_other_kinds_are_never_followed(url):
    asked: list[str] = []
    assert await refused(url, Remote(allowed=lambda address: bool(asked.append(address)))) == "invalid_image_url"
    assert asked == []


async def test_redirects_are_followed_a_few_times(site):
    site.pages["/1"] = redirect("/2", 301)
    site.pages["/2"] = redirect(site.url("/3", "127.0.0.1"), 307)
    site.pages["/3"] = redirect("a.png", 303)
    assert await fetch(site.url("/1"), param=PARAM, remote=site.remote) == PNG
    # Looked at anew each time.
    assert len(site.asked) >= 4
    site.pages["/0"] = redirect("/1", 308)
    assert await refused(site.url("/0"), site.remote) == "failed_to_download_image"


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://localhost:{port}/a.png", "invalid_image_url"),
        ("https://127.0.0.1/a.png", "invalid_image_url"),
        ("https://user@localhost:{port}/a.png", "invalid_image_url"),
        ("//169.254.169.254:{port}/latest/meta-data", "failed_to_download_image"),
        ("https://[fd00:ec2::254]:{port}/", "failed_to_download_image"),
        ("file:///etc/passwd", "invalid_image_url"),
        ("", "failed_to_download_image"),
    ],
)
async def test_redirects_lead_nowhere_that_a_url_may_not(site, location, code):
    site.pages["/go"] = redirect(location.format(port=site.port))
    first_only = Remote(
        allowed=lambda address: address in ("127.0.0.1", "::1"), ports=site.remote.ports, tls=site.remote.tls
    )
    assert await refused(site.url("/go"), first_only) == code
    assert len(site.seen) == 1


async def test_the_certificate_must_be_of_the_name(site, identity):
    unknown = Remote(allowed=site.allowed, ports=site.remote.ports)
    assert await refused(site.url("/a.png"), unknown) == "failed_to_download_image"
    # The same address under a name that it has no certificate for.
    assert await refused(site.url("/a.png", "ip6-localhost"), site.remote) == "failed_to_download_image"
    assert site.seen == []


async def test_proxies_of_the_environment_are_not_used(site, monkeypatch):
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await fetch(site.url("/a.png"), param=PARAM, remote=site.remote) == PNG


async def test_too_many_bytes_are_refused_announced_or_not(site, settings):
    settings.IMAGE_MAX_BYTES = 1000
    site.pages["/long"] = HEAD + b"content-length: 1001\r\n\r\n"
    assert await refused(site.url("/long"), site.remote) == "image_file_too_large"

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n")
        while True:
            writer.write(bytes(500))
            await writer.drain()

    site.pages["/endless"] = endless
    assert await refused(site.url("/endless"), site.remote) == "image_file_too_large"


async def test_a_server_that_dawdles_is_left(site, settings):
    settings.REMOTE_IMAGE_SECONDS = 0.4

    async def dawdle(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"content-length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    site.pages["/slow"] = dawdle
    begun = time.monotonic()
    assert await refused(site.url("/slow"), site.remote) == "failed_to_download_image"
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 206 Partial Content\r\ncontent-length: 1\r\n\r\nx",
        HEAD + b"content-encoding: gzip\r\ncontent-length: 1\r\n\r\nx",
        HEAD + b"content-length: 100\r\n\r\nshort",
        b"no http at all\r\n\r\n",
        b"",
    ],
)
async def test_other_answers_are_no_picture(site, answer):
    site.pages["/odd"] = answer
    assert await refused(site.url("/odd"), site.remote) == "failed_to_download_image"


async def test_a_name_that_does_not_exist_is_no_error_of_ours(site):
    assert await refused(f"https://nowhere.invalid:{site.port}/", site.remote) == "failed_to_download_image"
