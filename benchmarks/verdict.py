"""How the figures stand against the targets, and what a run ends with."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import report
from benchmarks.history import SHAPES

# What is held: above these, something has become worse.
WORST_REQUEST_RATIO = 4.0
WORST_CHUNK_RATIO = 1.6
# Percent of a core that load and engine may take before they are what is measured.
MOST_LOAD = 85.0


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure, what it is to reach at most, and how it is found."""

    title: str
    at_most: float
    unit: str
    find: Callable[[report.Results], float | None]

    def stands(self, results: report.Results) -> str:
        """A line for people; empty where it was not measured."""
        value = self.find(results)
        if value is None:
            return ""
        verdict = "reached" if value <= self.at_most else "MISSED "
        return f"{verdict}  {self.title}: {value:.4g} (at most {self.at_most:g}){self.unit}"


def ratio(key: str) -> Callable[[report.Results], float | None]:
    """The median of Hanse's ratio to the relay."""

    def find(results: report.Results) -> float | None:
        ratios = report.row(key).ratios(results)
        return statistics.median(ratios) if ratios else None

    return find


def worst(*keys: str) -> Callable[[report.Results], float | None]:
    """The greatest of Hanse's medians."""

    def find(results: report.Results) -> float | None:
        values = [report.row(key).values(results, "hanse") for key in keys]
        return max((statistics.median(some) for some in values if some), default=None)

    return find


GOALS = [
    Goal("CPU of a request, to the relay's", 3, "", ratio("cpu_request")),
    Goal("CPU of a streamed chunk, to the relay's", 1.2, "", ratio("cpu_chunk")),
    Goal("added latency p50 at 16 at once", 2, " ms", worst("total_p50_16", "ttft_p50_16")),
    Goal("1,000 streams on one core: dropped", 0, "", worst("crowd_dropped")),
    Goal("growth of RSS over 50,000 requests", 5, " MB", worst("soak_growth", "soak_slope")),
    Goal("CPU of a history of 200 kB", 3, " ms", worst(*(f"history_cpu_{name}" for name in SHAPES))),
    Goal("event loop blocked by it", 5, " ms", worst(*(f"history_block_max_{name}" for name in SHAPES))),
]


def warnings(results: report.Results) -> list[str]:
    """What makes figures of this run doubtful."""
    found = []
    if results.rounds and not any(map(report.came_apart, results.rounds)):
        found.append("Chunks ran together in every round: a core was full. Try a quieter machine or fewer --streams.")
    load = [one["crowd_load_core"] for one in results.once.values() if "crowd_load_core" in one]
    if load and max(load) > MOST_LOAD:
        found.append(f"Load and engine took {max(load):.0f} % of their core: gaps of 1,000 streams are theirs, too.")
    return found


def judge(results: report.Results) -> int:
    """Say how each figure that was measured stands; the exit code."""
    print()
    for line in (*(goal.stands(results) for goal in GOALS), *warnings(results)):
        if line:
            print(line)
    request, chunk, dropped = (goal.find(results) for goal in (GOALS[0], GOALS[1], GOALS[3]))
    if chunk is None and any("cpu_chunk" in one["hanse"] for one in results.rounds):
        return 2
    worse = (request or 0) > WORST_REQUEST_RATIO or (chunk or 0) > WORST_CHUNK_RATIO or bool(dropped)
    if worse:
        print(f"Worse than what is held: {WORST_REQUEST_RATIO:g}, {WORST_CHUNK_RATIO:g}, no stream dropped.")
    return int(worse)
