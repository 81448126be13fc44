"""What Hanse costs beside the engine: `python -m benchmarks`; README.md says what the figures mean."""

import argparse
import dataclasses
import gc
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import uvloop

from benchmarks import report
from benchmarks.figures import LONG, REQUEST_SLICES, TOKENS, Bench, Figures, Load, Sent
from benchmarks.installation import Installation, InstallationError
from benchmarks.load import AnswerError, Client, Shape, Target, check_content
from benchmarks.processes import Server, StartError, cores, free_port, uvicorn
from benchmarks.upstream import MODEL

# A design that starts above these is the wrong design.
WORST_REQUEST_RATIO = 8.0
WORST_CHUNK_RATIO = 2.0
# Chunks that reach the client per read: above this they shared reads and writes, and a chunk looks cheaper than it is.
COALESCED = 1.1


class Part(NamedTuple):
    """What `--only` can choose: how it is measured, whether of the engine called directly, too, and in how many slices
    a round; relay and Hanse take turns with each, so that a machine that is busy for a moment is so for both."""

    figures: Callable[[Bench, Client], Awaitable[Figures]]
    with_engine: bool = False
    slices: int = 1


PARTS = {
    "request": Part(Bench.request_figures, slices=REQUEST_SLICES),
    "chunk": Part(Bench.chunk_figures),
    "collected": Part(Bench.collected_chunk_figures),
    "latency": Part(Bench.latency_figures, with_engine=True),
    "idle": Part(Bench.idle_figures),
}


@dataclass(slots=True)
class Stack:
    """The running servers, by name, and the targets that load can be put on."""

    servers: dict[str, Server]
    targets: dict[str, Target]
    installation: Installation


@contextmanager
def running_stack() -> Iterator[Stack]:
    """Engine, relay and one Hanse web process, all on free ports of 127.0.0.1; ended and removed afterwards.

    Raises `StartError` or `InstallationError`.
    """
    server_core, load_core = cores()
    os.sched_setaffinity(0, load_core)
    ports = {name: free_port() for name in ("engine", "relay", "hanse")}
    generate = f"http://127.0.0.1:{ports['engine']}/v2/models/{MODEL}/generate_stream"
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="hanse-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        commands = {
            "engine": [sys.executable, "-m", "benchmarks.upstream", "--port", str(ports["engine"])],
            "relay": uvicorn("benchmarks.relay:app", ports["relay"]),
            "hanse": uvicorn("config.asgi:application", ports["hanse"]),
        }
        servers = {
            name: Server(
                name, command, port=ports[name], core=load_core if name == "engine" else server_core, folder=folder
            )
            for name, command in commands.items()
        }
        installation = Installation(folder, ports["hanse"])
        stack.callback(installation.drop)
        installation.create()
        key = installation.seed(f"http://127.0.0.1:{ports['engine']}")
        for name, ready in (("engine", "/v2/health/ready"), ("relay", ""), ("hanse", "/healthz")):
            stack.callback(servers[name].stop)
            servers[name].start(installation.environment | {"RELAY_UPSTREAM": generate}, ready)
        json_type = {"Content-Type": "application/json"}
        chat = "/v1/chat/completions"
        bearer = json_type | {"Authorization": f"Bearer {key}"}
        targets = {
            "engine": Target("engine", generate, json_type, openai=False),
            "relay": Target("relay", f"http://127.0.0.1:{ports['relay']}{chat}", json_type, openai=False),
            "hanse": Target("hanse", f"http://127.0.0.1:{ports['hanse']}{chat}", bearer, openai=True),
        }
        yield Stack(servers, targets, installation)


async def one_round(bench: Bench, clients: dict[str, Client], number: int, parts: Collection[str]) -> report.Round:
    """Each figure of each target once: relay and Hanse right after each other, by turns in either order."""
    result: report.Round = {name: {} for name in clients}
    pair = [clients["relay"], clients["hanse"]]
    for part in (PARTS[name] for name in PARTS if name in parts):
        slices: dict[str, list[Figures]] = {}
        for turn in range(part.slices):
            order = pair[::-1] if (number + turn) % 2 else pair
            for client in (clients["engine"], *order) if part.with_engine else order:
                slices.setdefault(client.target.name, []).append(await part.figures(bench, client))
        for name, figures in slices.items():
            result[name] |= {key: statistics.fmean(one[key] for one in figures) for key in figures[0]}
    return result


async def measure(stack: Stack, load: Load, rounds: int, parts: Collection[str]) -> list[report.Round]:
    """All rounds, the answers and usage records checked. Raises `AnswerError`."""
    clients = {name: Client(target) for name, target in stack.targets.items()}
    bench = Bench(stack.servers, load)
    pair = ("relay", "hanse")
    rss_start = {name: stack.servers[name].rss_bytes() / 1e6 for name in pair}
    for client in clients.values():
        await bench.warm_up(client)
    await check_answers(bench, clients["hanse"])
    gc.collect()
    gc.freeze()
    results: list[report.Round] = []
    for number in range(rounds):
        results.append(await one_round(bench, clients, number, parts))
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    for name in pair:
        results[-1][name] |= {"rss_start": rss_start[name], "rss_end": stack.servers[name].rss_bytes() / 1e6}
    await check_answers(bench, clients["hanse"])
    for client in clients.values():
        client.close()
    check_records(stack.installation, bench.sent["hanse"])
    return results


async def check_answers(bench: Bench, hanse: Client) -> None:
    """An answer of each kind is what the engine said. Raises `AnswerError`."""
    for streamed in (False, True):
        for tokens, pace in ((TOKENS, 0), (LONG, 1000)):
            shape = Shape(tokens, pace, streamed=streamed, prompt_bytes=bench.load.prompt_bytes)
            await check_content(hanse, shape)
            bench.note(hanse, shape)


def check_records(installation: Installation, sent: Sent) -> None:
    """One usage record for each request sent, with its tokens. Raises `AnswerError`."""
    recorded = installation.recorded()
    if recorded != dataclasses.asdict(sent):
        raise AnswerError(f"usage records {recorded}, sent {dataclasses.asdict(sent)}")
    print(f"{sent.requests} requests, {sent.tokens} tokens: one usage record each, none missing.", file=sys.stderr)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="What one Hanse web process costs, beside a bare relay.")
    parser.add_argument("--quick", action="store_true", help="two small rounds: a look, not a figure to quote")
    parser.add_argument("--only", type=parts, metavar="PART,...", help=f"of {', '.join(PARTS)}; the rest is left out")
    parser.add_argument("--rounds", type=int, help="default 5")
    parser.add_argument("--requests", type=int, help="unstreamed requests per round and server; default 2000")
    parser.add_argument("--streams", type=int, help="streams at once; default 64")
    parser.add_argument("--pace", type=int, default=100, help="tokens a second of a stream")
    parser.add_argument("--prompt-bytes", type=int, default=1000, help="size of the conversation sent")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    parser.add_argument("--profile", type=Path, metavar="SVG", help="flame graph of Hanse by py-spy, if installed")
    chosen = parser.parse_args()
    chosen.rounds = chosen.rounds or (2 if chosen.quick else 5)
    chosen.requests = chosen.requests or (800 if chosen.quick else 2000)
    chosen.streams = chosen.streams or (32 if chosen.quick else 64)
    chosen.only = chosen.only or list(PARTS)
    return chosen


def parts(text: str) -> list[str]:
    """The parts that `--only` names. Raises `argparse.ArgumentTypeError`."""
    chosen = text.split(",")
    if unknown := set(chosen) - set(PARTS):
        raise argparse.ArgumentTypeError(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return chosen


@contextmanager
def profiled(hanse: Server, path: Path | None) -> Iterator[None]:
    """Record a flame graph of the Hanse process for as long as the block runs; nothing without a path."""
    if path is None:
        yield
        return
    command = shutil.which("py-spy", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if command is None:
        raise StartError("--profile needs py-spy: pip install py-spy")
    form = "flamegraph" if path.suffix == ".svg" else "raw"
    recorder = subprocess.Popen(
        [command, "record", "--pid", str(hanse.pid), "--output", str(path), "--rate", "500", "--format", form]
    )
    try:
        yield
    finally:
        # py-spy writes its file when it is interrupted or the process ends.
        recorder.send_signal(signal.SIGINT)
        recorder.wait(60)


def main() -> int:
    """Run, print, judge. 0: both ratios are within bounds; 1: one is not; 2: something is broken."""
    chosen = options()
    # Without this, SIGTERM would leave the servers and the database behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    load = Load(chosen.requests, chosen.streams, chosen.pace, chosen.prompt_bytes)
    busy = os.getloadavg()[0]
    try:
        with running_stack() as stack, profiled(stack.servers["hanse"], chosen.profile):
            try:
                rounds = uvloop.run(measure(stack, load, chosen.rounds, chosen.only))
            except (AnswerError, OSError, TimeoutError) as error:
                print(f"{error!r}\n{stack.servers['hanse'].last_lines()}", file=sys.stderr)
                return 2
            where = report.surroundings(stack.installation.describe(), busy)
    except (StartError, InstallationError) as error:
        print(error, file=sys.stderr)
        return 2
    text = f"{report.table(rounds)}\n\n{where}\n- {chosen.rounds} rounds; {load}"
    print(text)
    if chosen.write:
        report.write(text)
    return judge(rounds) if {"request", "chunk"} <= set(chosen.only) else 0


def judge(rounds: list[report.Round]) -> int:
    """Say how the ratios stand; the exit code. Chunks count only in rounds in which they came one by one."""
    apart = [one for one in rounds if all(one[name]["chunks_per_read"] < COALESCED for name in ("relay", "hanse"))]
    if not apart:
        print("\nChunks ran together in every round: a core was full. Try a quieter machine or fewer --streams.")
        return 2
    request, chunk = report.median_ratio(rounds, "cpu_request"), report.median_ratio(apart, "cpu_chunk")
    bounds = f"at most {WORST_REQUEST_RATIO:g} and {WORST_CHUNK_RATIO:g}"
    print(f"\nTo the relay: {request:.2f} per request, {chunk:.2f} per chunk; {bounds}.")
    return 0 if request <= WORST_REQUEST_RATIO and chunk <= WORST_CHUNK_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
