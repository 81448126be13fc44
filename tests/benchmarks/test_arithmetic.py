"""The arithmetic between what is measured and what is said of it."""

from xml.etree import ElementTree

import pytest

from benchmarks.figures import quantile
from benchmarks.history import longest_gap
from benchmarks.plot import picture
from benchmarks.probe import blocked
from benchmarks.report import Results, Row, table
from benchmarks.soak import slope
from benchmarks.verdict import judge

ADDED = Row("total_p50_16", "added", "ms", added=True)


def test_quantile_is_a_value_that_was_measured():
    values = [float(value) for value in range(100, 0, -1)]
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1.0)) == (51, 100, 100)
    assert quantile([7.0], 0.99) == 7


def test_slope_ignores_noise_around_a_line():
    assert slope([(0, 1), (1, 3), (2, 5)]) == pytest.approx(2)
    assert slope([(0, 5), (1, 6), (2, 6), (3, 5)]) == pytest.approx(0)


def test_longest_gap_counts_gaps_that_reach_into_the_window():
    arrivals = [0.0, 1.0, 4.0, 5.0, 11.0]
    assert longest_gap(arrivals, 3.5, 4.5) == 3
    assert longest_gap(arrivals, 4.1, 4.9) == 1
    assert longest_gap(arrivals, 0.5, 12) == 6
    assert longest_gap(arrivals, 20, 21) == 0


def test_loop_is_not_blocked_while_others_have_the_core():
    assert blocked(0.101, 0.096, 0) == pytest.approx(0.004)
    assert blocked(0.006, 0, 0) == pytest.approx(0.005)
    assert blocked(0.0009, 0, 0) == 0
    # Threads of its own that had the core instead do block it.
    assert blocked(0.011, 0.009, 0.008) == pytest.approx(0.009)


def test_added_is_what_the_engine_does_not_take_in_the_same_round():
    rounds = [
        {"engine": {ADDED.key: engine}, "relay": {ADDED.key: engine + 1}, "hanse": {ADDED.key: engine + 3}}
        for engine in (100.0, 200.0)
    ]
    assert ADDED.values(Results([], rounds), "hanse") == [3, 3]
    assert ADDED.ratios(Results([], rounds)) == [3, 3]
    assert ADDED.direct(Results([], rounds)) == [100, 200]


def test_ratio_to_a_relay_that_adds_nothing_is_not_told():
    round_ = {"engine": {ADDED.key: 100.0}, "relay": {ADDED.key: 99.0}, "hanse": {ADDED.key: 102.0}}
    assert ADDED.ratios(Results([], [round_])) == []


def test_chunks_that_ran_together_do_not_count():
    def one(chunk: float, per_read: float) -> dict[str, dict[str, float]]:
        relay = {"cpu_chunk": 50.0, "chunks_per_read": 1.0}
        return {"engine": {}, "relay": relay, "hanse": {"cpu_chunk": chunk, "chunks_per_read": per_read}}

    row = Row("cpu_chunk", "chunk", "µs", apart=True)
    assert row.ratios(Results([], [one(60, 1.0), one(30, 1.4)])) == [1.2]
    assert judge(Results([], [one(30, 1.4)])) == 2


@pytest.mark.parametrize(("chunk", "dropped", "code"), [(60.0, 0.0, 0), (500.0, 0.0, 1), (60.0, 1.0, 1)])
def test_run_fails_for_dear_chunks_and_for_dropped_streams(chunk: float, dropped: float, code: int, capsys):
    rounds = [{"engine": {}, "relay": {"cpu_chunk": 50.0}, "hanse": {"cpu_chunk": chunk}}]
    once = {"engine": {}, "relay": {"crowd_dropped": 0.0}, "hanse": {"crowd_dropped": dropped}}
    assert judge(Results([], rounds, once)) == code
    assert ("reached  1,000 streams" in capsys.readouterr().out) == (not dropped)


def test_table_shows_only_what_was_measured():
    lines = table(Results([], [{"engine": {}, "relay": {"cpu_idle": 2.0}, "hanse": {"cpu_idle": 3.0}}])).splitlines()
    assert lines[2:] == ["| CPU in a second without requests, µs | 1.50 | 3 | 2 | - |"]


def test_picture_is_well_formed_and_shows_what_was_measured():
    hanse = {"cpu_request": 300.0, "total_p50_16": 11.5, "crowd_gap_p50": 103.0, "embed_64_cpu": 777.0}
    once = {"engine": {"total_p50_16": 10.0, "crowd_gap_p50": 101.0}, "relay": {"cpu_request": 200.0}, "hanse": hanse}
    drawn = picture(Results([(0, 120.0), (50_000, 121.0)], [], once))
    texts = [element.text for element in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314 - our own
    assert {"300", "200", "1.50", "2.0", "125", "64 embeddings", "777"} <= set(texts)
    assert "A history of 200 kB: CPU, ms" not in texts
