"""Bar charts as numbers for an SVG: no script, no library, readable without colours through its table."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 64, 8, 14, 34
GAP = 0.25
"""Share of a column that stays empty."""


@dataclass(frozen=True)
class Bar:
    """A rectangle of series 1 or 2, in the SVG's units."""

    series: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Column:
    """One place on the horizontal axis: its stacked bars, what a pointer that rests on it is told, its name below.

    Every second name is minor: left out where the chart is narrow.
    """

    bars: tuple[Bar, ...]
    hint: str
    x: float
    width: float
    label: str
    label_x: float
    minor: bool


@dataclass(frozen=True)
class Line:
    """A horizontal line with its value."""

    y: float
    label: str


@dataclass(frozen=True)
class BarChart:
    """Everything that `billing/chart.html` draws."""

    name: str
    title: str
    description: str
    series: tuple[str, ...]
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right_end: int = WIDTH - RIGHT
    top: int = TOP
    plot_height: int = HEIGHT - TOP - BOTTOM
    label_y: int = HEIGHT - 8


def scale_of(largest: int) -> tuple[int, int]:
    """The step between lines and the number of steps, so that a round axis of 2 to 5 steps holds `largest`."""
    for exponent in range(19):
        for digit in (1, 2, 5):
            step = digit * 10**exponent
            if step * 5 >= largest:
                return step, max(2, -(-largest // step))
    raise ValueError("No count is that large.")


def short(count: int) -> str:
    """A count for an axis: 950, 1.5k, 20k, 3M."""
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return str(count)


def bar_chart(
    *,
    name: str,
    title: str,
    series: Sequence[str],
    values: Sequence[Sequence[int]],
    labels: Sequence[str],
    label_every: int,
) -> BarChart:
    """A chart of stacked columns.

    `values` has for every column one count for each of `series` (one or two); element ids begin with `name`.
    """
    sums = [sum(column) for column in values]
    step, steps = scale_of(max(sums, default=0))
    plot_height = HEIGHT - TOP - BOTTOM
    column_width = (WIDTH - LEFT - RIGHT) / max(1, len(values))
    columns = []
    for index, column in enumerate(values):
        left = LEFT + index * column_width
        bars = []
        bottom = float(TOP + plot_height)
        for number, count in enumerate(column, start=1):
            if not count:
                continue
            # A single token among millions is still to be seen.
            height = max(plot_height * count / (step * steps), 1.0)
            bottom -= height
            bars.append(
                Bar(
                    series=number,
                    x=_rounded(left + column_width * GAP / 2),
                    y=_rounded(bottom),
                    width=_rounded(column_width * (1 - GAP)),
                    height=_rounded(height),
                )
            )
        counts = ", ".join(f"{count:,} {what.lower()}" for what, count in zip(series, column, strict=True))
        columns.append(
            Column(
                bars=tuple(bars),
                hint=f"{labels[index]}: {counts}",
                x=_rounded(left),
                width=_rounded(column_width),
                label=labels[index] if index % label_every == 0 else "",
                label_x=_rounded(left + column_width / 2),
                minor=index % (2 * label_every) != 0,
            )
        )
    return BarChart(
        name=name,
        title=title,
        description=_description(sums, labels),
        series=tuple(series),
        columns=tuple(columns),
        lines=tuple(
            Line(_rounded(TOP + plot_height * (1 - number / steps)), short(step * number))
            for number in range(steps + 1)
        ),
    )


def _rounded(number: float) -> float:
    return round(number, 1)


def _description(sums: Sequence[int], labels: Sequence[str]) -> str:
    """The sentence for people who hear the chart; the table has every number."""
    if not any(sums):
        return "Nothing so far."
    largest = max(sums)
    most = labels[sums.index(largest)]
    return f"{sum(sums):,} in all, most at {most} with {largest:,}. The table below has each number."
