"""The yardstick: what any Python gateway pays. It passes bytes on, both ways, and checks nothing."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
UPSTREAM = os.environ.get("RELAY_UPSTREAM", "")
# Triton's own paths are passed on to it as they are, with what it needs to know of the body.
ENGINE = UPSTREAM.partition("/v2/")[0]
TENSORS = b"inference-header-content-length"
sessions: list[aiohttp.ClientSession] = []


def session() -> aiohttp.ClientSession:
    """The process' one client, made on the running loop."""
    if not sessions:
        sessions.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
    return sessions[0]


def head(content_type: bytes, *more: tuple[bytes, bytes]) -> Message:
    """The start of a 200."""
    return {"type": "http.response.start", "status": 200, "headers": [(b"content-type", content_type), *more]}


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Any POST goes to the engine; a streamed answer is passed on read by read, another is collected first."""
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    if scope["path"].startswith("/v2/"):
        await infer(scope, body, send)
        return
    async with session().post(UPSTREAM, data=body) as answer:
        if b'"stream":true' in body:
            await send(head(b"text/event-stream"))
            async for data in answer.content.iter_any():
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        else:
            content = await answer.read()
            await send(head(b"application/json"))
            await send({"type": "http.response.body", "body": content})


async def infer(scope: Message, body: bytes, send: Send) -> None:
    """Binary tensors go to the engine, and its whole answer back."""
    headers = {name.decode(): value.decode() for name, value in scope["headers"] if name == TENSORS}
    async with session().post(ENGINE + scope["path"], data=body, headers=headers) as answer:
        content = await answer.read()
        about = answer.headers[TENSORS.decode()].encode()
        length = (b"content-length", str(len(content)).encode())
        await send(head(b"application/octet-stream", (TENSORS, about), length))
        await send({"type": "http.response.body", "body": content})
