"""What is measured: phases of load and the figures that they yield, one value a round."""

import asyncio
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.load import Asked, Client, Exchange, Shape, run
from benchmarks.processes import Server

LEVELS = (1, 16, 128)
# Tokens of an answer where requests are measured, and of the latency runs.
TOKENS = 16
# Two lengths of stream; what differs between them is chunks alone.
SHORT, LONG = 16, 144
# A round's requests come in so many parts, in turns with the other server's.
REQUEST_SLICES = 4
# What load and engine can do on their one core without becoming the thing that is measured.
LATENCY_CHUNKS = 3200

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Load:
    """How much load a round puts on each server."""

    requests: int
    streams: int
    pace: int
    prompt_bytes: int


@dataclass(slots=True)
class Sent:
    """What was sent to one server in all, to be found in its usage records."""

    requests: int = 0
    tokens: int = 0


@dataclass
class Bench:
    """The servers' processes and their clients, and what was sent to each."""

    servers: dict[str, Server]
    clients: dict[str, Client]
    load: Load
    # Requests since the soak's warm-up, and Hanse's resident memory in MB.
    memory: list[tuple[int, float]] = field(default_factory=list)
    sent: dict[str, Sent] = field(default_factory=dict)

    async def phase(
        self, client: Client, shape: Asked, *, clients: int, each: int, ramp: float = 0.0
    ) -> list[Exchange]:
        """One run, noted in `sent`."""
        result = await run(client, shape, clients=clients, each=each, ramp=ramp)
        self.note(client, shape, len(result))
        return result

    def note(self, client: Client, shape: Asked, requests: int = 1) -> None:
        """Count `requests` of `shape` as sent."""
        sent = self.sent.setdefault(client.target.name, Sent())
        sent.requests += requests
        sent.tokens += requests * shape.tokens

    async def cpu(
        self, client: Client, shape: Asked, *, clients: int, each: int, ramp: float = 0.0
    ) -> tuple[float, list[Exchange]]:
        """CPU seconds that the target's process took for one run, with what it left to do just after its answers."""
        server = self.servers[client.target.name]
        before = server.cpu_seconds()
        result = await self.phase(client, shape, clients=clients, each=each, ramp=ramp)
        await asyncio.sleep(0.1)
        return server.cpu_seconds() - before, result

    async def request_figures(self, client: Client) -> Figures:
        """µs of CPU for a non-streamed request whose engine answers at once, 16 clients without pause; requests/s."""
        clients = 16
        shape = Shape(TOKENS, 0, streamed=False, prompt_bytes=self.load.prompt_bytes)
        # The relay gets more of them: it is through so soon that a blink of the machine would show.
        requests = self.load.requests // REQUEST_SLICES * (1 if client.target.openai else 4)
        each = max(1, requests // clients)
        connections = self.engine_counters()["connections"]
        seconds, result = await self.cpu(client, shape, clients=clients, each=each)
        return {
            "cpu_request": seconds / len(result) * 1e6,
            "requests_per_second": clients / statistics.mean(one.total for one in result),
            "connections": float(self.engine_counters()["connections"] - connections),
        }

    def engine_counters(self) -> dict[str, int]:
        """What the engine has served so far."""
        counters: dict[str, int] = json.loads(self.servers["engine"].get("/counters"))
        return counters

    async def chunk_figures(self, client: Client) -> Figures:
        """µs of CPU for a paced chunk that is streamed to the client, and how the chunks arrived there."""
        before = self.engine_counters()
        chunk, result = await self.chunk_cpu(client, streamed=True)
        tokens, writes = (self.engine_counters()[name] - before[name] for name in ("tokens", "writes"))
        return {"cpu_chunk": chunk, "tokens_per_write": tokens / writes} | gap_figures(result)

    async def engine_gap_figures(self, client: Client) -> Figures:
        """The same of the engine, without CPU: it shares its core with the load."""
        shape = Shape(LONG, self.load.pace, streamed=True, prompt_bytes=self.load.prompt_bytes)
        return gap_figures(await self.phase(client, shape, clients=self.load.streams, each=1, ramp=0.3))

    async def collected_chunk_figures(self, client: Client) -> Figures:
        """µs of CPU for a paced chunk of an answer that the client gets whole."""
        chunk, _ = await self.chunk_cpu(client, streamed=False)
        return {"cpu_collected_chunk": chunk}

    async def chunk_cpu(self, client: Client, *, streamed: bool) -> tuple[float, list[Exchange]]:
        """µs of CPU for a paced chunk: the difference of two lengths of stream, so that requests cancel out.

        Also the exchanges of the longer streams.
        """
        clients = self.load.streams
        seconds: dict[int, float] = {}
        result: list[Exchange] = []
        for tokens in (SHORT, LONG):
            shape = Shape(tokens, self.load.pace, streamed=streamed, prompt_bytes=self.load.prompt_bytes)
            seconds[tokens], result = await self.cpu(client, shape, clients=clients, each=1, ramp=0.3)
        return (seconds[LONG] - seconds[SHORT]) / (clients * (LONG - SHORT)) * 1e6, result

    async def latency_figures(self, client: Client) -> Figures:
        """ms from sending to the last byte (not streamed) and to the first token (streamed), at each concurrency.

        A single client calls an engine that answers at once; more of them one that takes its time, so that they wait
        for the engine and not for each other, at no more than `LATENCY_CHUNKS` a second together.
        """
        figures: Figures = {}
        for clients in LEVELS:
            pace = 0 if clients == 1 else min(self.load.pace, LATENCY_CHUNKS // clients)
            each = {1: max(10, self.load.requests // 20), 16: 8}.get(clients, 2)
            ramp = TOKENS / pace if pace else 0.0
            for streamed in (False, True):
                shape = Shape(TOKENS, pace, streamed=streamed, prompt_bytes=self.load.prompt_bytes)
                result = await self.phase(client, shape, clients=clients, each=each, ramp=ramp)
                name = "ttft" if streamed else "total"
                times = [one.first_token if streamed else one.total for one in result]
                figures[f"{name}_p50_{clients}"] = quantile(times, 0.5) * 1e3
                figures[f"{name}_p99_{clients}"] = quantile(times, 0.99) * 1e3
        return figures

    async def idle_figures(self, client: Client) -> Figures:
        """µs of CPU in a second without requests."""
        server = self.servers[client.target.name]
        before = server.cpu_seconds()
        await asyncio.sleep(1)
        return {"cpu_idle": (server.cpu_seconds() - before) * 1e6}

    async def warm_up(self, client: Client) -> None:
        """Enough requests for caches, pools and lazily made things."""
        for streamed in (False, True):
            shape = Shape(TOKENS, 0, streamed=streamed, prompt_bytes=self.load.prompt_bytes)
            await self.phase(client, shape, clients=32, each=8)


def gap_figures(streams: list[Exchange]) -> Figures:
    """The longest gaps between chunks of long streams in ms, and the chunks in a read."""
    gaps = [one.longest_gap for one in streams]
    return {
        "gap_p50": quantile(gaps, 0.5) * 1e3,
        "gap_p99": quantile(gaps, 0.99) * 1e3,
        "chunks_per_read": LONG * len(streams) / sum(one.reads for one in streams),
    }


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of `values` lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
