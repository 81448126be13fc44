"""The arithmetic of bar charts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.dashboard.charts import HEIGHT, TOP, WIDTH, bar_chart, scale_of, short

COUNTS = st.integers(min_value=0, max_value=10**17)


@given(COUNTS)
def test_the_axis_holds_the_largest_count_in_two_to_five_round_steps(largest: int) -> None:
    step, steps = scale_of(largest)
    assert 2 <= steps <= 5
    assert step * steps >= largest
    assert str(step).rstrip("0") in ("1", "2", "5")


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1500, "1.5k"), (20_000, "20k"), (3_000_000, "3M"), (5 * 10**9, "5G"), (2 * 10**12, "2T")],
)
def test_axis_names_are_short(count: int, text: str) -> None:
    assert short(count) == text


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=30))
def test_every_bar_lies_inside_the_drawing_and_none_is_lost(values: list[tuple[int, int]]) -> None:
    chart = bar_chart(
        name="x",
        title="X",
        series=("A", "B"),
        values=values,
        labels=[str(number) for number in range(len(values))],
        label_every=3,
    )
    for column, counts in zip(chart.columns, values, strict=True):
        assert [bar.series for bar in column.bars] == [number for number, count in enumerate(counts, 1) if count]
        for bar in column.bars:
            assert bar.height >= 1
            assert bar.y >= TOP - 2  # a bar is drawn at least one unit high
            assert bar.y + bar.height <= HEIGHT
            assert bar.x >= 0
            assert bar.x + bar.width <= WIDTH
