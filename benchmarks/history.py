"""A conversation of 200 kB: what it costs, and for how long everybody else waits for it."""

import asyncio
import json
import statistics
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from time import perf_counter

from benchmarks.client import AnswerError, Client
from benchmarks.figures import Bench, Figures, quantile
from benchmarks.load import Shape, exchange
from benchmarks.upstream import LARGE_MODEL, LONG_MODEL, LONGEST

BYTES = 200_000
# What coding agents send: source text with its quotes, newlines, brackets and characters beyond ASCII.
CODE = '''def berth(ships: list[Ship], *, tide: float = 0.0) -> dict[str, int]:
    """Which ship lies where → by draught, deepest first; the “Alte Liebe” stays free."""
    return {ship.name: index for index, ship in enumerate(sorted(ships, key=lambda ship: -ship.draught))}

<table class="quay">\t<tr><td>{{ ship.name }}</td><td>[{{ ship.berth }}]</td></tr></table>  // Größe: 5 < 7 && "ok"
'''
# A few large messages or many small ones, for a context that 200 kB may exceed by bytes (not by tokens), and one that
# is larger in any case.
SHAPES = {
    f"{kind}_{context}": Shape(16, 0, streamed=False, prompt_bytes=BYTES, messages=messages, text=CODE, model=model)
    for context, model in (("128k", LONG_MODEL), ("256k", LARGE_MODEL))
    for kind, messages in (("few", 4), ("many", 200))
}
TIMES = 24
# The CPU is the median of so many times those, as other figures are of the rounds.
SLICES = 5
# Without pause, as small requests are measured: a process that is woken for each finds its caches cold.
CLIENTS = 4
PACE = 500
PAUSE = 0.04
# What a request may leave to do just after its answer.
AFTERWARDS = 0.005


async def history_figures(bench: Bench, client: Client) -> Figures:
    """For each shape: ms of CPU of a request; ms by which it lengthens the longest gap of a stream beside it; for Hanse
    also for how many ms it blocks the event loop, as measured from inside."""
    figures: Figures = {}
    for name, shape in SHAPES.items():
        await bench.phase(client, shape, clients=1, each=3)
        each: list[float] = []
        for _ in range(SLICES):
            seconds, result = await bench.cpu(client, shape, clients=CLIENTS, each=TIMES // CLIENTS)
            each.append(seconds / len(result) * 1e3)
        figures[f"history_cpu_{name}"] = statistics.median(each)
        beside = client
        if client.target.name == "hanse":
            beside = await probed(bench)
            await bench.phase(beside, shape, clients=1, each=3)
        gaps, blocks = await disturbance(bench, beside, shape)
        figures[f"history_gap_p50_{name}"] = quantile(gaps, 0.5) * 1e3
        figures[f"history_gap_max_{name}"] = max(gaps) * 1e3
        if blocks:
            figures[f"history_block_p50_{name}"] = quantile(blocks, 0.5) * 1e3
            figures[f"history_block_max_{name}"] = max(blocks) * 1e3
    return figures


async def probed(bench: Bench) -> Client:
    """A client of the Hanse that has a probe in its loop; started and warmed up on first use."""
    client = bench.clients["probe"]
    server = bench.servers["probe"]
    if server.process is None:
        server.start()
        await bench.warm_up(client)
    return client


async def disturbance(bench: Bench, client: Client, shape: Shape) -> tuple[list[float], list[float]]:
    """Send `TIMES` requests beside a paced stream: by how many seconds each lengthened the stream's longest gap, and
    for how long each blocked the loop (nothing where there is no probe). Raises `AnswerError`."""
    lag: Client | None = None
    if client.target.name == "probe":
        lag = Client(replace(client.target, url=client.target.url.replace("/v1/chat/completions", "/bench/lag")))
    arrivals: list[float] = []
    # It is hung up on in the end.
    paced = Shape(LONGEST, PACE, streamed=True, prompt_bytes=bench.load.prompt_bytes)
    stream = asyncio.create_task(exchange(client, paced, client.request(paced.body()), arrivals))
    await asyncio.sleep(0.2)
    windows: list[tuple[float, float]] = []
    blocks: list[float] = []
    for _ in range(TIMES):
        await longest_block(lag)
        began = perf_counter()
        await bench.phase(client, shape, clients=1, each=1)
        windows.append((began, perf_counter() + AFTERWARDS))
        await asyncio.sleep(AFTERWARDS)
        blocks.append(await longest_block(lag))
        # Longer than the request took, to have something to compare with.
        await asyncio.sleep(PAUSE + windows[-1][1] - began)
    if stream.done():
        raise AnswerError(f"{client.target.name}: {TIMES} requests of {BYTES} bytes outlasted the stream beside them")
    stream.cancel()
    await asyncio.wait([stream])
    if lag:
        lag.close()
    before = [(2 * began - ended - PAUSE / 2, began - PAUSE / 2) for began, ended in windows]
    usual = quantile([longest_gap(arrivals, *window) for window in before], 0.5)
    return [longest_gap(arrivals, *window) - usual for window in windows], blocks if lag else []


async def longest_block(lag: Client | None) -> float:
    """Seconds of the longest block since the last call; 0 without a probe."""
    if lag is None:
        return 0.0
    return float(json.loads(await lag.content(lag.request(b"")))["blocked"])


def longest_gap(arrivals: Sequence[float], began: float, ended: float) -> float:
    """The longest time between two neighbours in `arrivals` of which a part lies between `began` and `ended`."""
    return max((two - one for one, two in pairwise(arrivals) if two > began and one < ended), default=0.0)
