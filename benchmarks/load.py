"""The load: bounded numbers of requests whose answers are checked without parsing each chunk."""

import asyncio
import json
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import aiohttp

from benchmarks.upstream import MARK, MODEL, token

DONE = b"data: [DONE]\n\n"
WORDS = "The harbour master notes each ship, its cargo and its berth before the tide turns at the outer pier. "


class AnswerError(Exception):
    """A server answered other than it must; the text says how."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load: where, with which headers, and whether it speaks OpenAI's wire format."""

    name: str
    url: str
    headers: dict[str, str]
    openai: bool


@dataclass(slots=True)
class Exchange:
    """One request's times in seconds from its sending, and the number of reads that brought its tokens."""

    total: float
    first_token: float
    longest_gap: float
    reads: int


@dataclass(frozen=True, slots=True)
class Shape:
    """What is asked for: `tokens` at `pace` a second (0: at once), streamed or not, by `prompt_bytes` of prompt."""

    tokens: int
    pace: int
    streamed: bool
    prompt_bytes: int

    def body(self) -> bytes:
        """OpenAI's JSON of it."""
        turns = 4
        text = (WORDS * (self.prompt_bytes // turns // len(WORDS) + 1))[: self.prompt_bytes // turns]
        roles = ["system", *("user" if turn % 2 == 0 else "assistant" for turn in range(turns - 2)), "user"]
        messages = [{"role": role, "content": text} for role in roles]
        content: dict[str, Any] = {"model": MODEL, "messages": messages, "temperature": 0.7}
        content |= {"max_tokens": self.tokens, "seed": self.pace, "stream": self.streamed}
        return json.dumps(content, separators=(",", ":")).encode()


async def exchange(session: aiohttp.ClientSession, target: Target, shape: Shape, body: bytes) -> Exchange:
    """Send one request and read its answer to the end. Raises `AnswerError`."""
    began = last = perf_counter()
    first = gap = 0.0
    reads = tokens = 0
    tail = b""
    async with session.post(target.url, data=body, headers=target.headers) as response:
        if response.status != 200:
            raise AnswerError(f"{target.name}: {response.status} {(await response.read())[:500]!r}")
        async for data in response.content.iter_any():
            tail = (tail + data)[-len(DONE) :]
            found = data.count(MARK.encode())
            if not found:
                continue
            now = perf_counter()
            if tokens:
                gap = max(gap, now - last)
            else:
                first = now - began
            last = now
            tokens += found
            reads += 1
    if tokens != shape.tokens:
        raise AnswerError(f"{target.name}: {tokens} tokens instead of {shape.tokens}")
    if target.openai and shape.streamed and tail != DONE:
        raise AnswerError(f"{target.name}: the stream ends with {tail!r}")
    return Exchange(perf_counter() - began, first, gap, reads)


async def run(
    session: aiohttp.ClientSession, target: Target, shape: Shape, *, clients: int, each: int, ramp: float = 0.0
) -> list[Exchange]:
    """`clients` at once, each sending `each` requests one after the other; their starts spread over `ramp` seconds."""
    body = shape.body()

    async def client(number: int) -> list[Exchange]:
        await asyncio.sleep(ramp * number / clients)
        return [await exchange(session, target, shape, body) for _ in range(each)]

    async with asyncio.timeout(300):
        return [one for some in await asyncio.gather(*map(client, range(clients))) for one in some]


async def check_content(session: aiohttp.ClientSession, target: Target, shape: Shape) -> None:
    """Read one answer of an OpenAI server as a client does: every token in order, finish reason, usage, length of the
    prompt. Raises `AnswerError`."""
    async with session.post(target.url, data=shape.body(), headers=target.headers) as response:
        content = await response.read()
    if response.status != 200:
        raise AnswerError(f"{target.name}: {response.status} {content[:500]!r}")
    if shape.streamed:
        frames = [line[6:] for line in content.split(b"\n") if line.startswith(b"data: ")]
        choices = [choice for frame in frames[:-1] for choice in json.loads(frame)["choices"]]
        text = "".join(choice["delta"].get("content") or "" for choice in choices)
        reasons = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    else:
        answer = json.loads(content)
        text = answer["choices"][0]["message"]["content"]
        reasons = [answer["choices"][0]["finish_reason"]]
        if answer["usage"]["completion_tokens"] != shape.tokens or answer["usage"]["prompt_tokens"] < 1:
            raise AnswerError(f"{target.name}: usage {answer['usage']}")
    if text != "".join(map(token, range(shape.tokens))):
        raise AnswerError(f"{target.name}: the text is not the engine's: {text[:200]!r}")
    if reasons != ["length"]:
        raise AnswerError(f"{target.name}: finish reasons {reasons}")
