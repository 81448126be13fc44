"""Fetching an image for a client, in a way that leads nowhere but to public servers (no SSRF).

https alone, on port 443, without credentials, cookies, proxies or compression. A name is resolved once; every address
that it has must be public, and the connection goes to one of these, while TLS still verifies the name. Redirects, three
at most, are looked at in the same way. Bytes and time are bounded while they come.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from urllib.parse import quote, urljoin, urlsplit

import httpx
from django.conf import settings
from msgspec import Struct

from inference.backends.connection import Connection
from inference.errors import InvalidRequest
from inference.images.addresses import is_public
from inference.images.checking import file_too_large

MOST_REDIRECTS = 3
MOST_ADDRESSES = 3
LONGEST_URL = 4096
REDIRECTS = (301, 302, 303, 307, 308)
CONNECT_SECONDS = 3.0
# Of a URL's path and query, what stands for itself.
SAFE = "/?:@!$&'()*+,;=-._~%[]"
HOST = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?\.?|\[[0-9a-f:.]+\]")

# A name that nobody answers for keeps a thread for long: these may wait, others must not wait with them.
_resolvers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="resolve")


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class Remote(Struct, frozen=True):
    """What may be fetched: from which addresses and ports, and whose certificates are believed."""

    allowed: Callable[[str], bool] = is_public
    ports: frozenset[int] = frozenset({443})
    tls: Callable[[], ssl.SSLContext] = _tls


class _Place(Struct, frozen=True):
    """A URL that has been looked at."""

    url: str
    host: str
    port: int
    path: str

    @property
    def name(self) -> str:
        """The host as certificates and resolvers have it."""
        return self.host.strip("[]").rstrip(".")


class _NotFetched(Exception):
    """No answer that could be an image."""


async def fetch(url: str, *, param: str, remote: Remote | None = None) -> bytes:
    """The bytes behind `url`, at most `IMAGE_MAX_BYTES` within `REMOTE_IMAGE_SECONDS`; not looked at.

    Raises `InvalidRequest` with `param`: `invalid_image_url`, `image_file_too_large`, or `failed_to_download_image` for
    everything else alike, so that nobody learns from it what there is in our own network.
    """
    remote = remote or Remote()
    problem: InvalidRequest | None = None
    try:
        async with asyncio.timeout(settings.REMOTE_IMAGE_SECONDS):
            for _ in range(MOST_REDIRECTS + 1):
                body, target = await _get(_place(url, param, remote), param, remote)
                if target is None:
                    return body
                url = target
    except (_NotFetched, TimeoutError, OSError, httpx.TransportError):
        problem = InvalidRequest(
            f"Invalid '{param}': the image could not be downloaded.", param=param, code="failed_to_download_image"
        )
    # Outside: other errors tell of addresses, and must not become the cause of this one.
    raise problem or InvalidRequest(
        f"Invalid '{param}': the URL of the image redirects too often.", param=param, code="failed_to_download_image"
    )


def _place(url: str, param: str, remote: Remote) -> _Place:
    """What `url` names. Raises `InvalidRequest` for what is never fetched."""
    problem = InvalidRequest(
        f"Invalid '{param}': the URL of an image must begin with https:// and name a host, without user or password, "
        "on the standard port.",
        param=param,
        code="invalid_image_url",
    )
    place = _parsed(url)
    if place is None or place.port not in remote.ports:
        raise problem
    return place


def _parsed(url: str) -> _Place | None:
    # urlsplit drops some of these without a word.
    if len(url) > LONGEST_URL or "\\" in url or any(ord(character) <= ord(" ") for character in url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port or 443
        host = (parts.hostname or "").encode("idna").decode("ascii").lower()
        path = quote(parts.path or "/", safe=SAFE) + (f"?{quote(parts.query, safe=SAFE)}" if parts.query else "")
    except (ValueError, UnicodeError):
        return None
    if ":" in host:
        host = f"[{host}]"
    if parts.scheme.lower() != "https" or "@" in parts.netloc or not HOST.fullmatch(host):
        return None
    return _Place(url, host, port, path)


async def _get(place: _Place, param: str, remote: Remote) -> tuple[bytes, str | None]:
    """The body behind a place, or where it redirects to."""
    connection = await _connect(place, remote)
    try:
        port = "" if place.port == 443 else f":{place.port}"
        head = (
            f"GET {place.path} HTTP/1.1\r\nhost: {place.host}{port}\r\naccept: image/*\r\n"
            "accept-encoding: identity\r\nuser-agent: hanse\r\nconnection: close\r\n\r\n"
        )
        connection.send(head.encode("ascii"))
        status = await connection.head()
        if status in REDIRECTS:
            location = connection.headers.get(b"location")
            if not location:
                raise _NotFetched
            return b"", urljoin(place.url, location.decode("latin1"))
        if status != 200 or connection.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise _NotFetched
        return await _body(connection, param), None
    finally:
        connection.abort()


async def _body(connection: Connection, param: str) -> bytes:
    announced = connection.headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > settings.IMAGE_MAX_BYTES:
        raise file_too_large(param)
    parts: list[bytes] = []
    size = 0
    while part := await connection.read():
        size += len(part)
        if size > settings.IMAGE_MAX_BYTES:
            raise file_too_large(param)
        parts.append(part)
    return b"".join(parts)


async def _connect(place: _Place, remote: Remote) -> Connection:
    """A connection to one of the host's addresses, which are resolved here and nowhere else."""
    loop = asyncio.get_running_loop()
    addresses = await _addresses(place)
    if not addresses or not all(map(remote.allowed, addresses)):
        raise _NotFetched
    for address in addresses[:MOST_ADDRESSES]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    lambda: Connection(loop), address, place.port, ssl=remote.tls(), server_hostname=place.name
                )
        except (TimeoutError, OSError):
            continue
        return connection
    raise _NotFetched


async def _addresses(place: _Place) -> list[str]:
    """Every address of the host, each once, in the resolver's order."""
    try:
        found = await asyncio.get_running_loop().run_in_executor(
            _resolvers, lambda: socket.getaddrinfo(place.name, place.port, type=socket.SOCK_STREAM)
        )
    except (OSError, UnicodeError):
        raise _NotFetched from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
