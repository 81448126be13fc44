"""The HTTP client to engines: the httpx transport API on aiohttp, one per event loop.

Plain httpx costs several times the CPU and loses its pool for good when requests are cancelled while connecting
(encode/httpcore#1093). Engines are called through the transport: redirects, cookies and hooks have no place here.
"""

import asyncio
import weakref
from functools import lru_cache

import aiohttp
import httpx
from httpx_aiohttp.transport import AiohttpTransport

CONNECT_SECONDS = 5.0

# The transport maps most of aiohttp's errors to httpx's, but not those of a malformed answer.
TRANSPORT_ERRORS = (httpx.TransportError, aiohttp.ClientError)

_transports: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AiohttpTransport]" = weakref.WeakKeyDictionary()


def transport() -> AiohttpTransport:
    """This event loop's transport; made on first use."""
    loop = asyncio.get_running_loop()
    found = _transports.get(loop)
    if found is None:
        # No limit here: `routing` bounds what is under way per deployment. No cookie jar: tenants share connections.
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        found = _transports[loop] = AiohttpTransport(client=session)
    return found


async def close_transport() -> None:
    """Closes this event loop's connections."""
    found = _transports.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.aclose()


@lru_cache(maxsize=1024)
def _url(url: str) -> httpx.URL:
    return httpx.URL(url)


async def send(
    method: str,
    url: str,
    *,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    read_seconds: float | None = None,
) -> httpx.Response:
    """Sends one request and returns when the response's head is there; the body is still to be read and closed.

    Raises one of `TRANSPORT_ERRORS` (their subclasses do not tell reliably what failed). How long to wait for an
    answer is the caller's business.
    """
    request = httpx.Request(
        method,
        _url(url),
        headers=headers,
        content=body,
        extensions={"timeout": {"connect": CONNECT_SECONDS, "read": None, "pool": None}},
    )
    return await transport().handle_async_request(request)
