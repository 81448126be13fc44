"""A thousand streams at once: does each come whole, and evenly?"""

import asyncio
from time import perf_counter, process_time

from benchmarks.client import AnswerError, Client, Exchange
from benchmarks.figures import Bench, Figures, quantile
from benchmarks.load import Shape, exchange

STREAMS = 1000
TOKENS_PER_SECOND = 10
# The streams begin one after the other, then all run for so many seconds.
RAMP = 4.0
TOGETHER = 10.0


async def crowd_figures(bench: Bench, client: Client) -> Figures:
    """Streams that were cut off or wrong, the longest gap within each in ms, and what they cost while all ran."""
    tokens = int((RAMP + TOGETHER + 0.5) * TOKENS_PER_SECOND)
    shape = Shape(tokens, TOKENS_PER_SECOND, streamed=True, prompt_bytes=bench.load.prompt_bytes)
    request = client.request(shape.body())
    problems: list[AnswerError] = []

    async def one(number: int) -> Exchange | None:
        await asyncio.sleep(RAMP * number / STREAMS)
        try:
            return await exchange(client, shape, request)
        except (AnswerError, OSError) as error:
            problems.append(AnswerError(str(error)))
            return None

    server, engine = bench.servers[client.target.name], bench.servers["engine"]
    async with asyncio.timeout(300):
        streams = asyncio.gather(*map(one, range(STREAMS)))
        await asyncio.sleep(RAMP)
        began, cpu, load = perf_counter(), server.cpu_seconds(), process_time() + engine.cpu_seconds()
        await asyncio.sleep(TOGETHER)
        seconds = perf_counter() - began
        figures = {
            "crowd_core": (server.cpu_seconds() - cpu) / seconds * 100,
            "crowd_load_core": (process_time() + engine.cpu_seconds() - load) / seconds * 100,
            "crowd_rss": server.rss_bytes() / 1e6,
        }
        done = [result for result in await streams if result is not None]
    bench.note(client, shape, len(done))
    if problems:
        print(f"{len(problems)} of {STREAMS} streams failed, the first: {problems[0]}")
    gaps = [result.longest_gap for result in done]
    if client.target.name == "engine":
        del figures["crowd_core"], figures["crowd_rss"]
    return figures | {
        "crowd_dropped": float(STREAMS - len(done)),
        "crowd_gap_p50": quantile(gaps, 0.5) * 1e3,
        "crowd_gap_p99": quantile(gaps, 0.99) * 1e3,
        "crowd_chunks_per_read": tokens * len(done) / max(1, sum(result.reads for result in done)),
    }
