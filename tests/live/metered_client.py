"""A client that counts what it gets, and the records to hold it against."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx

from benchmarks.upstream import MARK
from tests.engines import ROOT, free_port
from tests.live.asking import CHAT, ask
from tests.live.engines import eventually
from tests.stack import Stack

# Every record, with the cost that its counts make at its price.
RECORDS = """
import json
from billing.models import UsageRecord
from billing.pricing import cost_nano, price_of
from django.db import connection
columns = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")
for record in UsageRecord.objects.select_related("price_version"):
    counts = {column: getattr(record, column) for column in columns}
    due = None if record.price_version is None else cost_nano(price_of(record.price_version), **counts)
    of_it = {"id": str(record.id), "outcome": record.outcome, "cost_nano": record.cost_nano, "due_nano": due}
    print(json.dumps(of_it | {"token_source": record.token_source} | counts))
connection.close()
"""


@dataclass
class Seen:
    """What one client got of a stream; times in seconds."""

    request_id: str = ""
    status: int = 0
    tokens: int = 0
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    done: bool = False
    longest_gap: float = 0.0
    end_wait: float = 0.0


async def listen(
    http: aiohttp.ClientSession, url: str, tokens: int, pace: int, *, whole: Callable[[], None] = lambda: None
) -> Seen:
    """Reads a stream of so many tokens, at so many a second, for as long as it comes; `whole` is called at its end."""
    seen = Seen()
    # The engine takes its pace from the seed.
    body = {"model": "demo-chat", "stream": True, "stream_options": {"include_usage": True}}
    body |= {"messages": ask("Hello"), "max_tokens": tokens, "seed": pace}
    try:
        async with http.post(f"{url}{CHAT}", json=body) as answer:
            seen.status, seen.request_id = answer.status, answer.headers["x-request-id"]
            last = 0.0
            async for line in answer.content:
                if line == b"data: [DONE]\n":
                    seen.done = True
                    seen.end_wait = time.monotonic() - last
                    whole()
                elif line.startswith(b"data: "):
                    last = _note(json.loads(line.removeprefix(b"data: ")), seen, last)
    except aiohttp.ClientError:
        pass
    return seen


def _note(chunk: dict[str, Any], seen: Seen, last: float) -> float:
    if "error" in chunk:
        seen.error = chunk["error"]
        return last
    seen.usage = chunk["usage"] or seen.usage
    tokens = sum((choice["delta"].get("content") or "").count(MARK) for choice in chunk["choices"])
    seen.tokens += tokens
    now = time.monotonic()
    if tokens:
        seen.longest_gap = max(seen.longest_gap, now - last if last else 0.0)
        return now
    return last


def records(stack: Stack) -> dict[str, dict[str, Any]]:
    """The records of an installation, by request; an id is there once because it is the key."""
    done = stack.manage("shell", "--no-imports", "-c", RECORDS)
    return {row["id"]: row for row in map(json.loads, done.stdout.splitlines())}


def check_recorded(seen: Seen, row: dict[str, Any]) -> None:
    """Asserts that the record of a whole answer says what its client got."""
    assert seen.usage is not None
    assert row["outcome"] == "completed"
    assert row["output_tokens"] == seen.tokens == seen.usage["completion_tokens"]
    assert row["input_tokens"] == seen.usage["prompt_tokens"]
    assert row["cost_nano"] == row["due_nano"] > 0


@contextmanager
def paced_engine() -> Iterator[str]:
    """An engine on next to no CPU (`benchmarks.upstream`); its URL."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.upstream", "--port", str(port)], cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: answers(f"{url}/v2/health/ready"))
        yield url
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    """Whether somebody answers there."""
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False
