"""What tokens, images and documents cost, and which price a request takes."""

import ast
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import billing
from billing.models import PriceVersion
from billing.pricing import Price, PriceBook, cost_nano, is_priced, load_price_book
from tests.billing.conftest import Customer

MAX_TOKENS = 2**31 - 1
amounts = st.integers(0, 10**15)
counts = st.integers(0, MAX_TOKENS)
prices = st.builds(
    Price,
    version_id=st.just(1),
    input_nano=amounts,
    cached_input_nano=amounts,
    output_nano=amounts,
    reasoning_nano=amounts,
    image_nano=st.integers(0, 10**12),
    document_nano=st.integers(0, 10**12),
)


@st.composite
def usages(draw: st.DrawFn) -> dict[str, int]:
    input_tokens, output_tokens = draw(counts), draw(counts)
    return {
        "input_tokens": input_tokens,
        "cached_input_tokens": draw(st.integers(0, input_tokens)),
        "output_tokens": output_tokens,
        "reasoning_tokens": draw(st.integers(0, output_tokens)),
        "images": draw(st.integers(0, 1000)),
        "documents": draw(st.integers(0, 1000)),
    }


def exact(price: Price, usage: dict[str, int]) -> Fraction:
    return (
        Fraction(price.input_nano, 10**6) * (usage["input_tokens"] - usage["cached_input_tokens"])
        + Fraction(price.cached_input_nano, 10**6) * usage["cached_input_tokens"]
        + Fraction(price.output_nano, 10**6) * (usage["output_tokens"] - usage["reasoning_tokens"])
        + Fraction(price.reasoning_nano, 10**6) * usage["reasoning_tokens"]
        + (price.image_nano or 0) * usage["images"]
        + (price.document_nano or 0) * usage["documents"]
    )


@given(prices, usages())
def test_cost_is_the_exact_sum_rounded_half_up_once(price: Price, usage: dict[str, int]) -> None:
    cost = cost_nano(price, **usage)
    assert type(cost) is int
    assert Fraction(-1, 2) < cost - exact(price, usage) <= Fraction(1, 2)


def test_images_and_documents_are_paid_one_by_one() -> None:
    price = Price(1, 650_000_001, 0, 0, 0, image_nano=40_000_000, document_nano=1)
    assert cost_nano(price, input_tokens=1, images=3, documents=7) == 650 + 3 * 40_000_000 + 7
    assert cost_nano(price, input_tokens=0, documents=2) == 2


@pytest.mark.parametrize("item", ["images", "documents"])
def test_what_has_no_price_is_never_free(item: str) -> None:
    price = Price(1, 1, 1, 1, 1)
    assert cost_nano(price, input_tokens=10, **{item: 0}) == 0
    with pytest.raises(ValueError, match="no price"):
        cost_nano(price, input_tokens=10, **{item: 1})


@given(prices, usages(), st.sampled_from(["input_tokens", "output_tokens"]), st.integers(1, 10_000))
def test_more_tokens_never_cost_less(price: Price, usage: dict[str, int], kind: str, more: int) -> None:
    assert cost_nano(price, **{**usage, kind: usage[kind] + more}) >= cost_nano(price, **usage)


@given(prices, usages(), usages())
def test_two_requests_cost_what_one_of_both_would_to_a_nano(
    price: Price, one: dict[str, int], other: dict[str, int]
) -> None:
    together = {kind: one[kind] + other[kind] for kind in one}
    apart = cost_nano(price, **one) + cost_nano(price, **other)
    assert abs(cost_nano(price, **together) - apart) <= 1


@given(prices, usages())
def test_the_dearest_request_fits_the_column(price: Price, usage: dict[str, int]) -> None:
    assert 0 <= cost_nano(price, **usage) < 2**63


@given(prices, counts, counts)
def test_a_part_larger_than_its_whole_counts_as_the_whole(price: Price, whole: int, more: int) -> None:
    assert cost_nano(price, input_tokens=whole, cached_input_tokens=whole + more) == cost_nano(
        price, input_tokens=whole, cached_input_tokens=whole
    )


def test_a_price_list_example() -> None:
    price = Price(1, 650_000_000, 325_000_000, 1_950_000_000, 1_950_000_000)
    assert cost_nano(price, input_tokens=1000, cached_input_tokens=400, output_tokens=200) == 910_000


@pytest.mark.parametrize(
    "module", ["money.py", "pricing.py", "rating.py", "services/prices.py", "services/rollups.py", "exports.py"]
)
def test_no_float_touches_money(module: str) -> None:
    tree = ast.parse((Path(billing.__file__).parent / module).read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Div) and module != "money.py"]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, float)]
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert not [name for name in called if isinstance(name, ast.Name) and name.id == "float"]


NOW = datetime(2026, 11, 21, tzinfo=UTC)


def version(
    pk: int, *, days: float = -1, organization: int | None = None, model: str = "", cls: str = ""
) -> PriceVersion:
    return PriceVersion(
        pk=pk,
        organization_id=organization,
        model_id=model,
        model_class=cls,
        effective_from=NOW + timedelta(days=days),
        input_nano=pk,
        output_nano=pk,
    )


LADDER = [
    version(1, organization=7, model="m"),
    version(2, organization=7, cls="premium"),
    version(3, model="m"),
    version(4, cls="premium"),
]


@pytest.mark.parametrize("first", range(4))
def test_the_most_specific_price_wins(first: int) -> None:
    found = PriceBook(LADDER[first:]).find(7, "m", "premium", NOW.timestamp())
    assert found is not None
    assert found.version_id == first + 1


def test_an_older_specific_price_beats_a_newer_general_one() -> None:
    book = PriceBook([version(1, days=-100, model="m"), version(2, days=-1, cls="premium")])
    assert book.find(None, "m", "premium", NOW.timestamp()).version_id == 1


def test_a_specific_price_that_has_not_begun_leaves_the_general_one() -> None:
    book = PriceBook([version(1, days=1, model="m"), version(2, cls="premium")])
    assert book.find(None, "m", "premium", NOW.timestamp()).version_id == 2


def test_another_customers_price_is_not_found() -> None:
    assert PriceBook(LADDER[:2]).find(8, "m", "premium", NOW.timestamp()) is None


@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=12, unique=True),
    st.integers(-60, 60),
    st.randoms(use_true_random=False),
)
def test_of_one_targets_versions_the_latest_that_has_begun_counts(days: list[int], at: int, random: object) -> None:
    versions = [version(100 + day, days=day, model="m") for day in days]
    random.shuffle(versions)
    found = PriceBook(versions).find(None, "m", "", (NOW + timedelta(days=at)).timestamp())
    begun = [day for day in days if day <= at]
    assert (found and found.version_id) == (100 + max(begun) if begun else None)


def test_empty_parts_take_the_price_of_their_whole(customer: Customer) -> None:
    PriceVersion.objects.create(model_id="m", input_nano=3, output_nano=5)
    found = load_price_book().find(customer.organization.pk, "m", "standard", datetime.now(UTC).timestamp())
    assert found is not None
    assert (found.cached_input_nano, found.reasoning_nano) == (3, 5)


def test_a_model_is_priced_by_itself_or_its_class_and_only_from_the_list(customer: Customer) -> None:
    PriceVersion.objects.create(model_id="for-one", input_nano=1, output_nano=1, organization=customer.organization)
    PriceVersion.objects.create(model_id="by-itself", input_nano=1, output_nano=1)
    PriceVersion.objects.create(model_class="premium", input_nano=1, output_nano=1)
    assert is_priced("by-itself", "standard")
    assert is_priced("by-class", "premium")
    assert not is_priced("by-class", "standard")
    assert not is_priced("for-one", "standard")


@pytest.mark.django_db
def test_a_model_is_priced_for_what_its_list_price_covers() -> None:
    PriceVersion.objects.create(model_class="standard", input_nano=1, output_nano=2, document_nano=3)
    PriceVersion.objects.create(model_id="painter", input_nano=1, output_nano=2, image_nano=0)
    assert is_priced("m", "standard", documents=True)
    assert not is_priced("m", "standard", images=True)
    # The model's own price counts, and 0 is one.
    assert is_priced("painter", "standard", images=True)
    assert not is_priced("painter", "standard", documents=True)
