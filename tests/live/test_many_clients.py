"""Many clients at once, of which half hang up: nothing is left running, nothing is lost, nothing is counted twice."""

import asyncio
import json
import random
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.live.asking import CHAT, ask, bearer
from tests.live.engines import eventually, measure
from tests.live.test_faults import publish
from tests.stack import Server, Stack

pytestmark = [pytest.mark.live, pytest.mark.faults]

CLIENTS = 128
TOKENS = 40
# One answer takes two seconds; a client that hangs up does so at any moment of them, or before the answer begins.
PACE = 20
BODY = {
    "messages": ask(f"[[n={TOKENS}]] [[pace={PACE}]]"),
    "stream": True,
    "stream_options": {"include_usage": True},
}


@dataclass
class Seen:
    """What one client got until the end, its own or the stream's."""

    request_id: str = ""
    deltas: int = 0
    usage: dict[str, Any] | None = None
    done: bool = False


async def listen(http: httpx.AsyncClient, model: str, seen: Seen) -> None:
    """Reads a stream to its end, noting what came."""
    async with http.stream("POST", CHAT, json=BODY | {"model": model}) as answer:
        assert answer.status_code == 200, await answer.aread()
        seen.request_id = answer.headers["x-request-id"]
        async for line in answer.aiter_lines():
            if line == "data: [DONE]":
                seen.done = True
            elif line.startswith("data: "):
                chunk = json.loads(line.removeprefix("data: "))
                assert "error" not in chunk, chunk
                seen.usage = chunk["usage"] or seen.usage
                seen.deltas += sum(1 for choice in chunk["choices"] if choice["delta"].get("content"))


async def crowd(server: Server, key: str, model: str, patience: list[float | None]) -> list[Seen]:
    """One client for each patience (seconds; None: to the end), all at once."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)

    async def one(seconds: float | None) -> Seen:
        seen = Seen()
        try:
            async with asyncio.timeout(seconds):
                await listen(http, model, seen)
        except TimeoutError:
            assert seconds is not None
        return seen

    async with httpx.AsyncClient(base_url=server.url, headers=bearer(key), limits=limits, timeout=60) as http:
        return await asyncio.gather(*(one(seconds) for seconds in patience))


def records(server: Server, stack: Stack) -> dict[str, list[dict[str, Any]]]:
    """The latest records of the organization, by request."""
    url, params = f"{server.v1}/usage/records", {"limit": "999"}
    rows = httpx.get(url, params=params, headers=bearer(stack.api_key), timeout=60).json()["data"]
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["id"], []).append(row)
    return found


def test_of_a_crowd_of_which_half_hangs_up_every_request_is_on_record_once(server, stack, triton):
    dice = random.Random(128)
    patience = [dice.uniform(0.05, 1.2 * TOKENS / PACE) if number % 2 else None for number in range(CLIENTS)]
    # Two, since a deployment takes 64 requests at once.
    model = publish(stack, stack.triton_url, stack.triton_url)
    before = set(records(server, stack))
    seen = asyncio.run(crowd(server, stack.api_key, model, patience))

    stayed = [one for one, seconds in zip(seen, patience, strict=True) if seconds is None]
    assert all(one.done for one in stayed)
    assert sum(not one.done for one in seen) > CLIENTS // 8, "hardly anybody hung up in time"
    eventually(lambda: measure(triton.metrics_url, "demo_chat_running") == 0, seconds=30)
    begun = {one.request_id for one in seen if one.request_id}
    eventually(lambda: begun <= set(records(server, stack)), seconds=30)

    found = records(server, stack)
    assert all(len(rows) == 1 for rows in found.values())
    assert len(set(found) - before) <= CLIENTS
    for one in seen:
        if one.done:
            (row,) = found[one.request_id]
            assert one.usage is not None
            counts = (one.usage["prompt_tokens"], one.usage["completion_tokens"])
            assert (row["outcome"], row["input_tokens"], row["output_tokens"]) == ("completed", *counts)
            assert row["output_tokens"] == TOKENS
        elif one.request_id:
            (row,) = found[one.request_id]
            assert row["outcome"] in {"cancelled", "completed"}
            assert one.deltas <= row["output_tokens"] <= TOKENS
            assert row["cost_nano"] > 0
