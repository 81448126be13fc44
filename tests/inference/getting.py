"""Requests of any method and path through the ASGI application in this process, without a server."""

import asyncio
import json
from typing import Any, NamedTuple

from config.asgi import application


class Got(NamedTuple):
    """A whole answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error object."""
        return self.json["error"]


def fetch(path: str, key: str | None = None, **request: Any) -> Got:
    """`answer`, with an event loop of its own."""
    return asyncio.run(answer(path, key, **request))


async def answer(path: str, key: str | None = None, *, method: str = "GET", body: bytes = b"", **more: str) -> Got:
    """What the application answers; `more` are headers by name, with _ for -."""
    headers = {"host": "localhost", **{name.replace("_", "-"): value for name, value in more.items()}}
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
    }
    received = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return received.pop() if received else await asyncio.get_running_loop().create_future()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    start, *bodies = sent
    answered = {name.decode(): value.decode() for name, value in start["headers"]}
    return Got(start["status"], answered, b"".join(message["body"] for message in bodies))
