"""Many requests one after the other: does the process' memory keep growing?"""

import asyncio
from collections.abc import Sequence

from benchmarks.client import Client
from benchmarks.figures import TOKENS, Bench, Figures
from benchmarks.load import Shape

WARM_UP = 5_000
# The size in which growth is told.
REQUESTS = 50_000
STEP = 1_000
# Clients at once.
STREAMED, WHOLE = 5, 15


async def soak_figures(bench: Bench, client: Client) -> Figures:
    """MB that the process grew after a warm-up, and what its slope over the second half makes of 50,000 requests.

    A quarter of the requests is streamed; 20 clients without pause, whose engine answers at once.
    """
    server = bench.servers[client.target.name]
    for _ in range(0, WARM_UP, STEP):
        await step(bench, client)
    memory = bench.memory
    memory.append((0, server.rss_bytes() / 1e6))
    while memory[-1][0] < REQUESTS:
        await step(bench, client)
        memory.append((memory[-1][0] + STEP, server.rss_bytes() / 1e6))
    return {"soak_growth": memory[-1][1] - memory[0][1], "soak_slope": slope(memory[len(memory) // 2 :]) * REQUESTS}


async def step(bench: Bench, client: Client) -> None:
    """`STEP` requests."""
    streamed, whole = (
        Shape(TOKENS, 0, streamed=streamed, prompt_bytes=bench.load.prompt_bytes) for streamed in (True, False)
    )
    each = STEP // (STREAMED + WHOLE)
    await asyncio.gather(
        bench.phase(client, streamed, clients=STREAMED, each=each), bench.phase(client, whole, clients=WHOLE, each=each)
    )


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the line through `points` with the least squared errors."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
