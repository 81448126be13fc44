"""The figures as a picture: SVG that reads on light and on dark pages, written without a library."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from benchmarks.report import Results, row

PICTURE = Path(__file__).resolve().parent / "figures.svg"

STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f }
.title { font-size: 12.5px; font-weight: 600 } .quiet { fill: #6e7781 } .end { text-anchor: end }
.hanse { fill: #2f6fdb } .relay { fill: #a5adb8 } .goal { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 3 2 }
.goal-text { fill: #cf222e } .axis { stroke: #d0d7de; fill: none }
.line { stroke: #2f6fdb; stroke-width: 2; fill: none } .room { fill: #cf222e; opacity: .08 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .quiet { fill: #8d96a0 } .hanse { fill: #6ea8fe } .relay { fill: #5b6470 }
  .goal { stroke: #ff7b72 } .goal-text { fill: #ff7b72 } .axis { stroke: #3d444d } .line { stroke: #6ea8fe }
  .room { fill: #ff7b72; opacity: .12 }
}
"""
COLUMN, GUTTER, LABELS, VALUES = 412, 36, 100, 52
BAR, BETWEEN_BARS, BETWEEN_GROUPS, HEAD = 11, 2, 9, 30


@dataclass(frozen=True, slots=True)
class Group:
    """Bars of Hanse and of the relay below each other; `goal` is what Hanse's may be at most."""

    label: str
    hanse: float | None
    relay: float | None = None
    goal: float | None = None


@dataclass(frozen=True, slots=True)
class Drawing:
    """A part of the picture, from its upper left corner."""

    marks: list[str]
    height: float


def bars(title: str, groups: Sequence[Group], *, digits: int = 0) -> Drawing:
    """Horizontal bars from zero, on one scale."""
    numbers = [(group.hanse, group.relay, group.goal) for group in groups]
    top = max([value for some in numbers for value in some if value is not None], default=1.0)
    scale = (COLUMN - LABELS - VALUES) / max(top, 1e-9)
    marks = [text(0, 14, title, "title")]
    y = float(HEAD)
    for group in groups:
        start = y
        goal = None if group.goal is None else LABELS + group.goal * scale
        for name, value in (("hanse", group.hanse), ("relay", group.relay)):
            if value is None:
                continue
            # What is lost in the noise is still seen to be there.
            width = max(1.0, value * scale)
            marks.append(f'<rect class="{name}" x="{LABELS}" y="{y:g}" width="{width:.1f}" height="{BAR}" rx="1.5"/>')
            quiet = "" if name == "hanse" else "quiet"
            x = LABELS + width + 5
            if goal is not None and x - 5 <= goal <= x + 30:
                x = goal + 5
            marks.append(text(x, y + BAR - 1.5, f"{round(value, digits) + 0.0:.{digits}f}", quiet))
            y += BAR + BETWEEN_BARS
        marks.append(text(LABELS - 8, (start + y - BETWEEN_BARS) / 2 + 4, group.label, "end"))
        if goal is not None:
            marks.append(f'<path class="goal" d="M{goal:.1f} {start - 3:g}V{y + 1:g}"/>')
        y += BETWEEN_GROUPS
    return Drawing(marks, y)


def line(title: str, points: Sequence[tuple[int, float]], *, room: float) -> Drawing:
    """A line over numbers of requests; the band above its beginning shows by how much it may grow."""
    left, width, height = 44, COLUMN - 60, 96
    low = min(y for _, y in points) - 1
    high = max(points[0][1] + room, *(y for _, y in points)) + 1
    across = width / points[-1][0]

    def at(y: float) -> float:
        return HEAD + (high - y) / (high - low) * height

    path = "L".join(f"{left + x * across:.1f} {at(y):.1f}" for x, y in points)
    first = points[0][1]
    limit = f'x="{left}" y="{at(first + room):.1f}" width="{width}" height="{at(first) - at(first + room):.1f}"'
    marks = [
        text(0, 14, title, "title"),
        f'<rect class="room" {limit}/>',
        f'<path class="goal" d="M{left} {at(first + room):.1f}h{width}"/>',
        f'<path class="axis" d="M{left} {HEAD}v{height}h{width}"/>',
        f'<path class="line" d="M{path}"/>',
        text(left - 6, at(first) + 4, f"{first:.0f}", "end"),
        text(left - 6, at(first + room) + 4, f"{first + room:.0f}", "end goal-text"),
        text(left, HEAD + height + 16, "0", "quiet"),
        text(left + width, HEAD + height + 16, f"{points[-1][0]:,} requests", "quiet end"),
    ]
    return Drawing(marks, HEAD + height + 26)


def text(x: float, y: float, content: str, classes: str = "") -> str:
    """A line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}">{escape(content)}</text>'


def median(results: Results, key: str, target: str = "hanse") -> float | None:
    """The figure `key` of a server; None where it was not measured."""
    values = row(key).values(results, target)
    return statistics.median(values) if values else None


def group(results: Results, label: str, key: str, *, goal: float | None = None, times: float | None = None) -> Group:
    """The bars of a figure; its goal as a number or as a multiple of the relay's."""
    relay = median(results, key, "relay")
    if times is not None and relay is not None:
        goal = times * relay
    return Group(label, median(results, key), relay, goal)


def drawings(results: Results) -> list[Drawing]:
    """The parts for which there are figures."""
    cpu = [group(results, "a request", "cpu_request", times=3)]
    chunk = [
        group(results, "streamed", "cpu_chunk", times=1.2),
        group(results, "collected", "cpu_collected_chunk"),
    ]
    latency = [
        group(results, f"{level} at once", f"total_p50_{level}", goal=2 if level == 16 else None)
        for level in (1, 16, 128)
    ]
    first = [group(results, f"{level} at once", f"ttft_p50_{level}") for level in (1, 16, 128)]
    crowd = [group(results, share, f"crowd_gap_{share}") for share in ("p50", "p99")]
    calls = (("one embedding", "embed_1"), ("64 embeddings", "embed_64"), ("32 documents", "rerank"))
    others = [
        *(group(results, label, f"{key}_cpu") for label, key in calls),
        group(results, "a response", "responses_cpu"),
    ]
    shapes = (("4 messages", "few_128k"), ("200 messages", "many_128k"))
    history = [group(results, label, f"history_cpu_{key}", goal=3) for label, key in shapes]
    block = [group(results, label, f"history_block_max_{key}", goal=5) for label, key in shapes]
    charts = [
        ("CPU of a request, not streamed, µs", cpu, 0),
        ("CPU of a chunk, µs", chunk, 0),
        ("CPU of a request to other endpoints, µs", others, 0),
        ("Added latency, p50, ms", latency, 2),
        ("Added time to the first token, p50, ms", first, 2),
        ("A history of 200 kB: CPU, ms", history, 1),
        ("A history of 200 kB: longest block of the event loop, ms", block, 1),
        ("1,000 streams: longest gap between chunks, added, ms", crowd, 1),
    ]
    found = [
        bars(title, groups, digits=digits)
        for title, groups, digits in charts
        if any(one.hanse is not None for one in groups)
    ]
    if results.memory:
        found.append(line("RSS over 50,000 requests, MB", results.memory, room=5))
    return found


def picture(results: Results) -> str:
    """The SVG."""
    parts: list[str] = []
    y = 34.0
    found = drawings(results)
    for first in range(0, len(found), 2):
        pair = found[first : first + 2]
        for column, drawing in enumerate(pair):
            parts.append(f'<g transform="translate({column * (COLUMN + GUTTER)} {y:.0f})">{"".join(drawing.marks)}</g>')
        y += max(drawing.height for drawing in pair) + 8
    width = 2 * COLUMN + GUTTER
    legend = [
        '<rect class="hanse" x="0" y="4" width="12" height="12" rx="1.5"/>',
        text(18, 14, "Hanse"),
        '<rect class="relay" x="72" y="4" width="12" height="12" rx="1.5"/>',
        text(90, 14, "bare relay"),
        '<path class="goal" d="M164 2v16"/>',
        text(172, 14, "goal: at most", "goal-text"),
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y:.0f}" width="{width}" height="{y:.0f}"'
    label = "What Hanse costs beside a bare relay; the table below has the same figures."
    return (
        f'{head} role="img" aria-label="{label}">\n<style>{STYLE}</style>\n'
        + "\n".join([*legend, *parts])
        + "\n</svg>\n"
    )
