"""The end of a web process."""

import asyncio
from typing import Any

import pytest

from billing.metering import writer
from inference.lifecycle import lifespan, requests_underway


@pytest.mark.django_db(transaction=True)
async def test_requests_that_the_server_cancelled_still_hand_in_their_records():
    open_writers = []

    async def request() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            # Closing the engine's stream takes a few turns of the loop.
            await asyncio.sleep(0.05)
            open_writers.append(writer())

    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    messages.put_nowait({"type": "lifespan.startup"})
    process = asyncio.create_task(lifespan({}, messages.get, send))
    task = asyncio.create_task(request())
    requests_underway.add(task)
    task.add_done_callback(requests_underway.discard)
    await asyncio.sleep(0.01)
    before = writer()
    task.cancel()
    messages.put_nowait({"type": "lifespan.shutdown"})
    await process
    assert open_writers == [before]
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
