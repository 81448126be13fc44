"""The body of a request, as ASGI brings it: at most so much, and of strangers hardly any."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings

from inference.errors import BodyTooLarge

# What is read of a body before its key is looked at.
STRANGERS_BYTES = 64 * 1024
# What is read of a body after it was refused, for a client that sends first and listens later.
LINGER_BYTES = 4 * 1024 * 1024
LINGER_SECONDS = 1.0

Receive = Callable[[], Awaitable[dict[str, Any]]]


class ClientGone(Exception):
    """The client hung up before its request was read."""


async def read_body(receive: Receive, check_key: Callable[[], Awaitable[object]]) -> bytes:
    """The whole body; raises `BodyTooLarge` as soon as that is known, `ClientGone` when it never comes.

    Of a body that is not small, the rest is read only after `check_key`, whose errors it raises.
    """
    limit = settings.MAX_BODY_BYTES
    message = await receive()
    parts: list[bytes] = []
    size = 0
    known = False
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLarge(f"The request body is larger than {limit} bytes.")
        if not message.get("more_body"):
            return b"".join((*parts, part)) if parts else part
        if size > STRANGERS_BYTES and not known:
            await check_key()
            known = True
        parts.append(part)
        message = await receive()


async def read_for_nobody(receive: Receive) -> None:
    """Reads some of a body that was refused.

    Closing on unread bytes resets the connection, and a client that still sends would not see the answer.
    """
    left = LINGER_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0 and (message := await receive()).get("more_body"):
                left -= len(message["body"])
