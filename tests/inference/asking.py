"""Requests through the consumer in this process, and an engine of a few tokens."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from inference.consumers import ApiConsumer

HELLO = ("Hello", " there", "!")


async def start_engine(
    *,
    input_tokens: int = 4,
    tokens: Sequence[str] = HELLO,
    reason: str = "stop",
    counts: bool = True,
    received: list[dict[str, Any]] | None = None,
) -> tuple[asyncio.Server, str]:
    """A server that answers every request with these tokens to a prompt of so many tokens, and its URL.

    `counts`: whether it says how many tokens there are; `received` gets the requests.
    """
    counted = {"num_input_tokens": input_tokens, "num_output_tokens": 1} if counts else {}
    *firsts, last = ({"text_output": token, "finish_reason": "None", **counted} for token in tokens)
    pieces = [b"data: %b\n\n" % json.dumps(piece).encode() for piece in (*firsts, {**last, "finish_reason": reason})]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                body = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                if received is not None:
                    received.append(json.loads(body))
                writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                writer.writelines(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
                writer.write(b"0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def ask(key: str, body: dict[str, Any], *, path: str = "/v1/chat/completions") -> list[dict[str, Any]]:
    """What the consumer sends for one request, of a chat unless `path` says else."""
    content = json.dumps(body).encode()
    received = [{"type": "http.request", "body": content, "more_body": False}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return received.pop() if received else await asyncio.get_running_loop().create_future()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = {"host": "localhost", "content-type": "application/json", "authorization": f"Bearer {key}"}
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
    }
    await ApiConsumer()(scope, receive, send)
    return sent
