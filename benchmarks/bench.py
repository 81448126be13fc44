"""What Hanse costs beside the engine: `python -m benchmarks`; README.md says what the figures mean."""

import argparse
import gc
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import uvloop

from benchmarks import plot, report
from benchmarks.awake import awake
from benchmarks.crowd import crowd_figures
from benchmarks.endpoints import check_endpoints, embeddings_figures, rerank_figures, responses_figures
from benchmarks.figures import LONG, REQUEST_SLICES, TOKENS, Bench, Figures, Load
from benchmarks.history import history_figures
from benchmarks.installation import Installation, InstallationError
from benchmarks.load import AnswerError, Client, Shape, check_content
from benchmarks.processes import Server, StartError
from benchmarks.soak import soak_figures
from benchmarks.stack import Stack, running_stack
from benchmarks.verdict import judge


class Part(NamedTuple):
    """What `--only` can choose: how it is measured, of which servers, and how often.

    `slices` of a round: the servers take turns with each, so that a machine that is busy for a moment is so for all.
    `once`: before or after all rounds. `quick`: whether `--quick` has it, too.
    """

    figures: Callable[[Bench, Client], Awaitable[Figures]]
    servers: tuple[str, ...] = ("relay", "hanse")
    slices: int = 1
    once: str = ""
    quick: bool = True


ALL = ("engine", "relay", "hanse")
PARTS = {
    "request": Part(Bench.request_figures, slices=REQUEST_SLICES),
    "chunk": Part(Bench.chunk_figures),
    "gap": Part(Bench.engine_gap_figures, servers=("engine",)),
    "collected": Part(Bench.collected_chunk_figures),
    "latency": Part(Bench.latency_figures, servers=ALL),
    "idle": Part(Bench.idle_figures),
    "embeddings": Part(embeddings_figures, servers=ALL),
    "rerank": Part(rerank_figures, servers=ALL),
    "responses": Part(responses_figures, servers=ALL),
    "history": Part(history_figures, once="after", quick=False),
    "crowd": Part(crowd_figures, servers=ALL, once="after", quick=False),
    "soak": Part(soak_figures, servers=("hanse",), once="before", quick=False),
}


async def measure_parts(bench: Bench, number: int, parts: Iterable[Part]) -> report.Round:
    """Each part once: the servers right after each other, by turns in either order."""
    result: report.Round = {name: {} for name in ALL}
    for part in parts:
        slices: dict[str, list[Figures]] = {}
        for turn in range(part.slices):
            for name in part.servers[::-1] if (number + turn) % 2 else part.servers:
                slices.setdefault(name, []).append(await part.figures(bench, bench.clients[name]))
        for name, figures in slices.items():
            result[name] |= {key: statistics.fmean(one[key] for one in figures) for key in figures[0]}
    return result


@contextmanager
def profiled(hanse: Server, path: Path | None) -> Iterator[None]:
    """Record a flame graph of the Hanse process for as long as the block runs; nothing without a path.

    Raises `StartError` when there is no py-spy.
    """
    if path is None:
        yield
        return
    command = shutil.which("py-spy", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if command is None:
        raise StartError("--profile needs py-spy: pip install py-spy")
    form = "flamegraph" if path.suffix == ".svg" else "raw"
    # Without stops for each sample, which would double the CPU of a request; some samples are lost for it.
    how = ["--rate", "500", "--nonblocking", "--format", form]
    recorder = subprocess.Popen([command, "record", "--pid", str(hanse.pid), "--output", str(path), *how])
    try:
        yield
    finally:
        # py-spy writes its file when it is interrupted or the process ends.
        recorder.send_signal(signal.SIGINT)
        recorder.wait(60)


async def measure(
    stack: Stack, load: Load, rounds: int, parts: Collection[Part], profile: Path | None
) -> report.Results:
    """All rounds, the answers and usage records checked. Raises `AnswerError`, and `StartError` as `profiled`."""
    clients = {name: Client(target) for name, target in stack.targets.items()}
    bench = Bench(stack.servers, clients, load)
    pair = ("relay", "hanse")
    memory = {name: {"rss_start": stack.servers[name].rss_bytes() / 1e6} for name in pair}
    for name in ALL:
        await bench.warm_up(clients[name])
    await check_answers(bench, clients["hanse"])
    gc.collect()
    gc.freeze()
    # Before anything that takes more memory: what it gave back would hide a leak.
    results = report.Results(
        bench.memory, once=await measure_parts(bench, 0, [it for it in parts if it.once == "before"])
    )
    with profiled(stack.servers["hanse"], profile):
        for number in range(rounds):
            results.rounds.append(await measure_parts(bench, number, [part for part in parts if not part.once]))
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    last = await measure_parts(bench, 0, [part for part in parts if part.once == "after"])
    for name in ALL:
        results.once[name] |= last[name]
    for name in pair:
        results.once[name] |= memory[name] | {"rss_end": stack.servers[name].rss_bytes() / 1e6}
    await check_answers(bench, clients["hanse"])
    for client in clients.values():
        client.close()
    if not any(one.get("crowd_dropped") for one in results.once.values()):
        check_records(stack.installation, bench)
    return results


async def check_answers(bench: Bench, hanse: Client) -> None:
    """An answer of each kind is what the engine said. Raises `AnswerError`."""
    for streamed in (False, True):
        for tokens, pace in ((TOKENS, 0), (LONG, 1000)):
            shape = Shape(tokens, pace, streamed=streamed, prompt_bytes=bench.load.prompt_bytes)
            await check_content(hanse, shape)
            bench.note(hanse, shape)
    await check_endpoints(bench, hanse)


def check_records(installation: Installation, bench: Bench) -> None:
    """One usage record for each request sent to Hanse, with its tokens. Raises `AnswerError`."""
    sent = [bench.sent[name] for name in ("hanse", "probe") if name in bench.sent]
    requests, tokens = sum(one.requests for one in sent), sum(one.tokens for one in sent)
    recorded = installation.recorded()
    if recorded != {"requests": requests, "tokens": tokens}:
        raise AnswerError(f"usage records {recorded}; sent {requests} requests, {tokens} tokens")
    print(f"{requests} requests, {tokens} tokens: one usage record each, none missing.", file=sys.stderr)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="What one Hanse web process costs, beside a bare relay.")
    parser.add_argument("--quick", action="store_true", help="two small rounds: a look, not a figure to quote")
    parser.add_argument("--only", type=named, metavar="PART,...", help=f"of {', '.join(PARTS)}; the rest is left out")
    parser.add_argument("--rounds", type=int, help="default 5")
    parser.add_argument("--requests", type=int, help="unstreamed requests per round and server; default 2000")
    parser.add_argument("--streams", type=int, help="streams at once; default 64")
    parser.add_argument("--pace", type=int, default=100, help="tokens a second of a stream")
    parser.add_argument("--prompt-bytes", type=int, default=1000, help="size of the conversation sent")
    parser.add_argument("--asleep", action="store_true", help="let idle cores sleep: their waking is measured, too")
    parser.add_argument("--write", action="store_true", help="put table and plot into benchmarks/README.md")
    parser.add_argument("--profile", type=Path, metavar="SVG", help="flame graph of Hanse by py-spy, if installed")
    chosen = parser.parse_args()
    if chosen.write and (chosen.only or chosen.quick):
        parser.error("--write is for a whole run")
    chosen.rounds = chosen.rounds or (2 if chosen.quick else 5)
    chosen.requests = chosen.requests or (800 if chosen.quick else 2000)
    chosen.streams = chosen.streams or (32 if chosen.quick else 64)
    chosen.parts = chosen.only or [part for part in PARTS.values() if part.quick or not chosen.quick]
    if all(part.once for part in chosen.parts):
        chosen.rounds = 0
    return chosen


def named(text: str) -> list[Part]:
    """The parts that `--only` names. Raises `argparse.ArgumentTypeError`."""
    names = text.split(",")
    if unknown := set(names) - set(PARTS):
        raise argparse.ArgumentTypeError(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return [part for name, part in PARTS.items() if name in names]


def main() -> int:
    """Run, print, judge. 0: ratios are within bounds, no stream was dropped; 1: not so; 2: something is broken."""
    chosen = options()
    # Without this, SIGTERM would leave the servers and the database behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    load = Load(chosen.requests, chosen.streams, chosen.pace, chosen.prompt_bytes)
    busy = os.getloadavg()[0]
    try:
        with awake(not chosen.asleep), running_stack() as stack:
            try:
                results = uvloop.run(measure(stack, load, chosen.rounds, chosen.parts, chosen.profile))
            except (AnswerError, OSError, TimeoutError) as error:
                logs = [stack.servers[name].last_lines() for name in ("hanse", "probe")]
                print(repr(error), *logs, sep="\n", file=sys.stderr)
                return 2
            where = report.surroundings(stack.installation.describe(), busy)
    except (StartError, InstallationError) as error:
        print(error, file=sys.stderr)
        return 2
    kept = "left to sleep" if chosen.asleep else "kept awake"
    text = f"{report.table(results)}\n\n{where}\n- {chosen.rounds} rounds; {load}, cores {kept}"
    print(text)
    if chosen.write:
        report.write(text)
        plot.PICTURE.write_text(plot.picture(results))
    return judge(results)


if __name__ == "__main__":
    sys.exit(main())
