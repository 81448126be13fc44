"""The table: medians over the rounds, ratios to the bare relay first."""

import importlib.metadata
import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import LEVELS, Figures

README = Path(__file__).resolve().parent / "README.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
PACKAGES = ["django", "channels", "djangorestframework", "psycopg", "uvicorn", "uvloop", "httptools", "aiohttp"]

# Chunks that reach the client per read: above this they shared reads and writes, and a chunk looks cheaper than it is.
COALESCED = 1.05

Round = dict[str, Figures]
# What keeps cores awake is not part of the two.
BUSY = " (above 0.3 before or, beside what keeps cores awake, 2 after, something else was running too)"


@dataclass(slots=True)
class Results:
    """What was measured: in each round, once, and the memory over many requests (requests since the warm-up, MB)."""

    memory: list[tuple[int, float]]
    rounds: list[Round] = field(default_factory=list)
    once: Round = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of the table; `added`: what the target took beyond the engine called directly in the same round.

    `apart`: only rounds count in which chunks came one by one.
    """

    key: str
    title: str
    unit: str
    digits: int = 1
    added: bool = False
    apart: bool = False

    def value(self, one: Round, target: str) -> float | None:
        """The figure of `target` in a round; None where it has none."""
        value = one.get(target, {}).get(self.key)
        if value is None or not self.added:
            return value
        direct = one["engine"].get(self.key)
        return None if direct is None else value - direct

    def rounds(self, results: Results) -> list[Round]:
        """The rounds that count for this figure."""
        return [one for one in (*results.rounds, results.once) if not self.apart or came_apart(one)]

    def values(self, results: Results, target: str) -> list[float]:
        """The figure of `target` in each round that has it."""
        return [value for one in self.rounds(results) if (value := self.value(one, target)) is not None]

    def direct(self, results: Results) -> list[float]:
        """The engine's own figure."""
        return [one["engine"][self.key] for one in self.rounds(results) if self.key in one.get("engine", {})]

    def ratios(self, results: Results) -> list[float]:
        """Hanse to the relay, round by round; none where one of them is lost in the noise."""
        pairs = [(self.value(one, "hanse"), self.value(one, "relay")) for one in self.rounds(results)]
        floor = 0.05 if self.added else 0.0
        return [ours / relays for ours, relays in pairs if ours and relays and min(ours, relays) > floor]


def came_apart(one: Round) -> bool:
    """Whether chunks came one by one, from relay and Hanse."""
    return all(one.get(name, {}).get("chunks_per_read", 1.0) < COALESCED for name in ("relay", "hanse"))


CALLS = {
    "embed_1": "a request for one embedding",
    "embed_64": "a request for 64 embeddings",
    "rerank": "a request that ranks 32 documents",
}
HISTORY = {"few": "4 messages", "many": "200 messages"}
ROWS = [
    Row("cpu_request", "CPU of a request, not streamed", "µs", 0),
    Row("cpu_chunk", "CPU of a streamed chunk", "µs", apart=True),
    Row("cpu_collected_chunk", "CPU of a chunk collected for a request that is not streamed", "µs"),
    *(
        Row(f"{key}_{share}_{level}", f"{title} {share}, {level} at once", "ms", 2, added=True)
        for key, title in (("total", "added latency"), ("ttft", "added time to the first token"))
        for level in LEVELS
        for share in ("p50", "p99")
    ),
    Row("gap_p50", "added to the longest gap between chunks of a stream, p50", "ms", 2, added=True, apart=True),
    Row("gap_p99", "added to the longest gap between chunks of a stream, p99", "ms", 2, added=True, apart=True),
    Row("chunks_per_read", "chunks that reach the client per read", "", 2),
    Row("tokens_per_write", "tokens that the engine sent per write", "", 2),
    Row("connections", "new connections to the engine for a round's requests", "", 1),
    Row("requests_per_second", "requests a second, 16 clients", "", 0),
    *(
        row
        for key, title in CALLS.items()
        for row in (
            Row(f"{key}_cpu", f"CPU of {title}", "µs", 0),
            Row(f"{key}_p50", f"added latency p50, {title}", "ms", 2, added=True),
            Row(f"{key}_p99", f"added latency p99, {title}", "ms", 2, added=True),
        )
    ),
    Row("responses_cpu", "CPU of a response, not streamed", "µs", 0),
    Row("responses_chunk", "CPU of a streamed chunk of a response", "µs"),
    Row("responses_ttft", "added time to a response's first token p50, 16 at once", "ms", 2, added=True),
    Row("cpu_idle", "CPU in a second without requests", "µs", 0),
    *(
        Row(f"history_{key}_{kind}_{context}", f"200 kB in {messages}, context of {context}: {title}", "ms", 2)
        for context in ("128k", "256k")
        for kind, messages in HISTORY.items()
        for key, title in (
            ("cpu", "CPU"),
            ("block_p50", "event loop blocked, p50"),
            ("block_max", "event loop blocked, longest"),
            ("gap_p50", "added to the longest gap of a stream beside it, p50"),
            ("gap_max", "added to the longest gap of a stream beside it, longest"),
        )
    ),
    Row("crowd_dropped", "1,000 streams: dropped", "", 0),
    Row("crowd_core", "1,000 streams: CPU of the server, % of its core", "", 0),
    Row("crowd_load_core", "1,000 streams: CPU of load and engine, % of theirs", "", 0),
    Row("crowd_gap_p50", "1,000 streams: added to the longest gap between chunks, p50", "ms", 2, added=True),
    Row("crowd_gap_p99", "1,000 streams: added to the longest gap between chunks, p99", "ms", 2, added=True),
    Row("crowd_chunks_per_read", "1,000 streams: chunks that reach the client per read", "", 2),
    Row("crowd_rss", "1,000 streams: RSS", "MB"),
    Row("rss_start", "RSS before the first request", "MB"),
    Row("rss_end", "RSS after the last", "MB"),
    Row("soak_growth", "growth of RSS over 50,000 requests", "MB", 2),
    Row("soak_slope", "growth of RSS by the slope of the second half", "MB", 2),
]


def spread(values: list[float], form: Callable[[float], str]) -> str:
    """A median with its least and greatest value."""
    if not values:
        return "-"
    if len(values) == 1:
        return form(values[0])
    return f"{form(statistics.median(values))} ({form(min(values))}-{form(max(values))})"


def row(key: str) -> Row:
    """The row of the figure `key`."""
    return next(row for row in ROWS if row.key == key)


def table(results: Results) -> str:
    """The table in markdown; without rows of what was not measured."""
    lines = ["| | Hanse ÷ relay | Hanse | bare relay | engine directly |", "|---|---|---|---|---|"]
    for row in ROWS:

        def form(value: float, digits: int = row.digits) -> str:
            # No "-0.00".
            return f"{round(value, digits) + 0.0:.{digits}f}"

        values = row.values(results, "hanse"), row.values(results, "relay"), row.direct(results)
        if not any(values):
            continue
        cells = [spread(row.ratios(results), lambda value: f"{value:.2f}"), *(spread(some, form) for some in values)]
        lines.append(f"| {row.title}{', ' if row.unit else ''}{row.unit} | {' | '.join(cells)} |")
    return "\n".join(lines)


def surroundings(database: str, load_before: float) -> str:
    """Date, machine and versions, one line each."""
    load = f"before the run {load_before:.2f}, after it {os.getloadavg()[0]:.2f}"
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), platform.machine())
    machine = f"{model}, {os.cpu_count()} cores; {platform.system()} {platform.release()}"
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return "\n".join(
        [
            f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {machine}",
            f"- load average {load}{BUSY}",
            f"- Python {platform.python_version()}, {versions}; {database}",
        ]
    )


def write(text: str) -> None:
    """Put `text` between the marks in README.md."""
    content = README.read_text()
    before, _, rest = content.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
