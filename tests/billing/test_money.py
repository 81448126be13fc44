"""Amounts: exact in both directions, and readable."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money import MAX_NANO, euro_to_nano, format_euro, nano_to_euro

LARGEST = MAX_NANO // 10**9 * 10**9


@given(st.integers(-LARGEST, LARGEST))
def test_nano_euro_survive_the_way_to_euro_and_back(nano: int) -> None:
    assert euro_to_nano(nano_to_euro(nano)) == nano


@given(st.integers(-LARGEST, LARGEST))
def test_an_exact_amount_reads_back_as_itself(nano: int) -> None:
    text = format_euro(nano)
    assert euro_to_nano(Decimal(text.replace("€", "").replace(",", ""))) == nano
    assert len(text.partition(".")[2]) >= 2


@pytest.mark.parametrize(
    ("nano", "decimals", "text"),
    [
        (0, None, "€0.00"),
        (650_000_000, None, "€0.65"),
        (123_456, None, "€0.000123456"),
        (1_234_500_000_000, None, "€1,234.50"),
        (-500_000_000, None, "-€0.50"),
        (5_000_000, 2, "€0.01"),
        (4_999_999, 2, "€0.00"),
        (-4_999_999, 2, "€0.00"),
        (123_456, 6, "€0.000123"),
        (100 * 10**9, 0, "€100"),
    ],
)
def test_amounts_are_written_as_people_read_them(nano: int, decimals: int | None, text: str) -> None:
    assert format_euro(nano, decimals) == text


@pytest.mark.parametrize("amount", ["0.0000000001", "NaN", "Infinity", "10000000000"])
def test_what_no_nano_euro_can_say_is_refused(amount: str) -> None:
    with pytest.raises(ValueError):
        euro_to_nano(Decimal(amount))


def test_a_float_is_no_amount() -> None:
    with pytest.raises(TypeError):
        euro_to_nano(0.65)


def test_whole_euros_are_not_written_in_exponents() -> None:
    assert str(nano_to_euro(100 * 10**9)) == "100"
