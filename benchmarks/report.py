"""The table: medians over the rounds, ratios to the bare relay first."""

import importlib.metadata
import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import LEVELS, Figures

README = Path(__file__).resolve().parent / "README.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
PACKAGES = ["django", "channels", "djangorestframework", "psycopg", "uvicorn", "uvloop", "httptools", "aiohttp"]

Round = dict[str, Figures]


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of the table; `added`: what the target took beyond the engine called directly in the same round."""

    key: str
    title: str
    unit: str
    digits: int = 1
    added: bool = False

    def value(self, one: Round, target: str) -> float | None:
        """The figure of `target` in a round; None where it has none."""
        value = one.get(target, {}).get(self.key)
        if value is None or not self.added:
            return value
        return value - one["engine"][self.key]

    def values(self, rounds: list[Round], target: str) -> list[float]:
        """The figure of `target` in each round that has it."""
        return [value for one in rounds if (value := self.value(one, target)) is not None]

    def ratios(self, rounds: list[Round]) -> list[float]:
        """Hanse to the relay, round by round; none where the relay's value is lost in the noise."""
        pairs = [(self.value(one, "hanse"), self.value(one, "relay")) for one in rounds]
        floor = 0.05 if self.added else 0.0
        return [ours / yardstick for ours, yardstick in pairs if ours is not None and yardstick and yardstick > floor]


ROWS = [
    Row("cpu_request", "CPU of a request, not streamed", "µs", 0),
    Row("cpu_chunk", "CPU of a streamed chunk", "µs"),
    Row("cpu_collected_chunk", "CPU of a chunk collected for a request that is not streamed", "µs"),
    *(
        Row(f"{key}_{share}_{level}", f"{title} {share}, {level} at once", "ms", 2, added=True)
        for key, title in (("total", "added latency"), ("ttft", "added time to the first token"))
        for level in LEVELS
        for share in ("p50", "p99")
    ),
    Row("longest_gap", "longest gap between chunks of a stream, p50", "ms", 2),
    Row("chunks_per_read", "chunks that reach the client per read", "", 2),
    Row("requests_per_second", "requests a second, 16 clients", "", 0),
    Row("cpu_idle", "CPU in a second without requests", "µs", 0),
    Row("rss_start", "RSS before the first request", "MB"),
    Row("rss_end", "RSS after the last", "MB"),
]


def spread(values: list[float], form: Callable[[float], str]) -> str:
    """A median with its least and greatest value."""
    if not values:
        return "-"
    if len(values) == 1:
        return form(values[0])
    return f"{form(statistics.median(values))} ({form(min(values))}-{form(max(values))})"


def median_ratio(rounds: list[Round], key: str) -> float:
    """The median of Hanse's ratio to the relay for the row `key`; infinite when there is none."""
    ratios = next(row for row in ROWS if row.key == key).ratios(rounds)
    return statistics.median(ratios) if ratios else float("inf")


def table(rounds: list[Round]) -> str:
    """The table in markdown."""
    lines = ["| | Hanse ÷ relay | Hanse | bare relay | engine directly |", "|---|---|---|---|---|"]
    for row in ROWS:

        def form(value: float, digits: int = row.digits) -> str:
            return f"{value:.{digits}f}"

        direct = Row(row.key, "", "").values(rounds, "engine")
        cells = [spread(values, form) for values in (*(row.values(rounds, it) for it in ("hanse", "relay")), direct)]
        if set(cells) == {"-"}:
            continue
        ratio = spread(row.ratios(rounds), lambda value: f"{value:.2f}")
        title = f"{row.title}, {row.unit}" if row.unit else row.title
        lines.append(f"| {title} | {ratio} | {' | '.join(cells)} |")
    return "\n".join(lines)


def surroundings(database: str, load_before: float) -> str:
    """Date, machine and versions, one line each."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), platform.machine())
    machine = f"{model}, {os.cpu_count()} cores; {platform.system()} {platform.release()}"
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return "\n".join(
        [
            f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {machine}",
            f"- load average before the run {load_before:.2f} (above 0.3, something else was running too)",
            f"- Python {platform.python_version()}, {versions}; {database}",
        ]
    )


def write(text: str) -> None:
    """Put `text` between the marks in README.md."""
    content = README.read_text()
    before, _, rest = content.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
