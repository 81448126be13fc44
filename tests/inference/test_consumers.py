"""What a consumer sends, and in which order, to a client that reads when it pleases."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from inference.consumers import ApiConsumer
from inference.pipeline import Answer
from inference.wire.sse import KEEP_ALIVE

FRAMES = [b"data: 1\n\n", b"data: 2\n\n"]


class Streaming(ApiConsumer):
    """Answers everything with the same stream."""

    async def view(self, body: bytes) -> Answer:
        async def frames() -> AsyncGenerator[bytes, None]:
            for frame in FRAMES:
                yield frame

        return Answer({}, frames=frames())


async def test_comments_do_not_pile_up_before_a_slow_reader_nor_come_after_the_end(settings):
    settings.STREAM_KEEPALIVE_SECONDS = 0.01
    reads = asyncio.Event()
    sent: list[dict[str, Any]] = []
    received = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        return received.pop() if received else await asyncio.Event().wait()

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await reads.wait()
        sent.append(message)

    request = asyncio.create_task(Streaming()({"type": "http", "method": "POST"}, receive, send))
    await asyncio.sleep(0.2)
    reads.set()
    await request
    await asyncio.sleep(0.02)
    bodies = [message["body"] for message in sent[1:]]
    assert bodies.count(KEEP_ALIVE) <= 1
    assert [body for body in bodies if body != KEEP_ALIVE] == [*FRAMES, b""]
    assert [message["more_body"] for message in sent[1:]] == [True] * (len(bodies) - 1) + [False]
