"""The load: bounded numbers of requests whose answers are checked without parsing each chunk."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.client import AnswerError, Client, Exchange, Target
from benchmarks.upstream import MODEL, token

__all__ = ["AnswerError", "Asked", "Client", "Exchange", "Shape", "Target", "check_content", "run"]

WORDS = "The harbour master notes each ship, its cargo and its berth before the tide turns at the outer pier. "


class Asked(Protocol):
    """A request: what it is for the client, and for the usage record that it leaves."""

    @property
    def tokens(self) -> int:
        """Output tokens."""

    @property
    def streamed(self) -> bool:
        """Whether the answer comes as events that end with [DONE]."""

    def body(self) -> bytes:
        """What is sent."""

    def marks(self, target: Target) -> int | None:
        """How often tokens' mark comes in the answer of this target; None: not to be counted."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is asked for: `tokens` at `pace` a second (0: at once), streamed or not, by `prompt_bytes` of prompt in
    `messages` messages made of `text`."""

    tokens: int
    pace: int
    streamed: bool
    prompt_bytes: int
    messages: int = 4
    text: str = WORDS
    model: str = MODEL

    def body(self) -> bytes:
        """OpenAI's JSON of it."""
        size = self.prompt_bytes // self.messages
        text = (self.text * (size // len(self.text.encode()) + 1)).encode()[:size].decode(errors="ignore")
        between = ("user" if turn % 2 == 0 else "assistant" for turn in range(self.messages - 2))
        messages = [{"role": role, "content": text} for role in ("system", *between, "user")]
        content: dict[str, Any] = {"model": self.model, "messages": messages, "temperature": 0.7}
        content |= {"max_tokens": self.tokens, "seed": self.pace, "stream": self.streamed}
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()

    def marks(self, target: Target) -> int | None:
        """As of `Asked`."""
        return self.tokens


async def exchange(client: Client, shape: Asked, request: bytes, times: list[float] | None = None) -> Exchange:
    """Send one request and read its answer to the end; `times` gets the moment of each read that brought tokens.

    Raises `AnswerError`.
    """
    result = await client.ask(request, times=times)
    expected = shape.marks(client.target)
    if expected not in (None, result.tokens):
        raise AnswerError(f"{client.target.name}: {result.tokens} tokens instead of {expected}")
    if client.target.openai and shape.streamed and not result.done:
        raise AnswerError(f"{client.target.name}: the stream ends without [DONE]")
    return result


async def run(client: Client, shape: Asked, *, clients: int, each: int, ramp: float = 0.0) -> list[Exchange]:
    """`clients` at once, each sending `each` requests one after the other; their starts spread over `ramp` seconds.

    Raises `AnswerError`, and `TimeoutError` after five minutes.
    """
    request = client.request(shape.body())

    async def one(number: int) -> list[Exchange]:
        await asyncio.sleep(ramp * number / clients)
        return [await exchange(client, shape, request) for _ in range(each)]

    async with asyncio.timeout(300):
        return [result for results in await asyncio.gather(*map(one, range(clients))) for result in results]


async def check_content(client: Client, shape: Shape) -> None:
    """Read one answer of an OpenAI server as a client does: every token in order, finish reason, usage, length of the
    prompt. Raises `AnswerError`."""
    name = client.target.name
    content = await client.content(client.request(shape.body()))
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
            raise AnswerError(f"{name}: usage {answer['usage']}")
    if text != "".join(map(token, range(shape.tokens))):
        raise AnswerError(f"{name}: the text is not the engine's: {text[:200]!r}")
    if reasons != ["length"]:
        raise AnswerError(f"{name}: finish reasons {reasons}")
