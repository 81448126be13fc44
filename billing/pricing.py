"""Prices: what tokens, images and documents cost, exactly, and which version of a price a request takes."""

import time
from bisect import bisect_right
from collections.abc import Iterable

from msgspec import Struct

from billing.models import PriceVersion

TOKENS_PER_PRICE = 1_000_000


class Price(Struct, frozen=True, gc=False):
    """A price version with nothing left open: integer nano-euro per million tokens of each kind, and per item.

    An image or a document without a price is None: what has any of them cannot be rated.
    """

    version_id: int
    input_nano: int
    cached_input_nano: int
    output_nano: int
    reasoning_nano: int
    image_nano: int | None = None
    document_nano: int | None = None

    def covers(self, *, images: bool = False, documents: bool = False) -> bool:
        """Whether images and documents, where there are any, have a price."""
        return not (images and self.image_nano is None) and not (documents and self.document_nano is None)


# Whom and what a price is for: organization id (None: everybody), model id or "", class or "".

Target = tuple[int | None, str, str]


def cost_nano(
    price: Price,
    *,
    input_tokens: int,
    cached_input_tokens: int = 0,
    output_tokens: int = 0,
    reasoning_tokens: int = 0,
    images: int = 0,
    documents: int = 0,
) -> int:
    """The cost in nano-euro of so many tokens, images and documents: exact, rounded half up once, at the end.

    Cached tokens are part of the input and reasoning tokens part of the output, as in OpenAI's `usage`; an engine that
    reports a part larger than its whole is believed about the whole. Raises `ValueError` for images or documents
    without a price.
    """
    if not price.covers(images=images > 0, documents=documents > 0):
        raise ValueError("There is no price for an image or a document of this request.")
    cached = min(cached_input_tokens, input_tokens)
    reasoning = min(reasoning_tokens, output_tokens)
    total = (
        (input_tokens - cached) * price.input_nano
        + cached * price.cached_input_nano
        + (output_tokens - reasoning) * price.output_nano
        + reasoning * price.reasoning_nano
    )
    # Items have whole prices: only tokens are rounded.
    items = images * (price.image_nano or 0) + documents * (price.document_nano or 0)
    return (total + TOKENS_PER_PRICE // 2) // TOKENS_PER_PRICE + items


def price_of(version: PriceVersion) -> Price:
    """The price of a row: an empty cached price is that of input, an empty reasoning price that of output."""
    cached, reasoning = version.cached_input_nano, version.reasoning_nano
    return Price(
        version_id=version.pk,
        input_nano=version.input_nano,
        cached_input_nano=version.input_nano if cached is None else cached,
        output_nano=version.output_nano,
        reasoning_nano=version.output_nano if reasoning is None else reasoning,
        image_nano=version.image_nano,
        document_nano=version.document_nano,
    )


class PriceBook:
    """Every price version at one moment; never changes. `load_price_book` makes a newer one."""

    def __init__(self, versions: Iterable[PriceVersion]) -> None:
        """`versions` in any order."""
        self._begins: dict[Target, list[float]] = {}
        self._prices: dict[Target, list[Price]] = {}
        for version in sorted(versions, key=lambda version: version.effective_from):
            target = (version.organization_id, version.model_id, version.model_class)
            self._begins.setdefault(target, []).append(version.effective_from.timestamp())
            self._prices.setdefault(target, []).append(price_of(version))

    def find(self, organization_id: int | None, model_id: str, model_class: str, at: float) -> Price | None:
        """The price of a request that started `at` (Unix seconds), or None.

        The most specific that is in effect: customer and model, customer and class, model, class; of its versions the
        latest. `organization_id` None asks for the list price.
        """
        targets: list[Target] = [(None, model_id, ""), (None, "", model_class)]
        if organization_id is not None:
            targets[:0] = [(organization_id, model_id, ""), (organization_id, "", model_class)]
        for target in targets:
            begins = self._begins.get(target)
            if begins is not None and (count := bisect_right(begins, at)):
                return self._prices[target][count - 1]
        return None

    def is_priced(self, model_id: str, model_class: str, *, images: bool = False, documents: bool = False) -> bool:
        """Whether a list price is in effect now for the model itself or its class: without one it is not published.

        `images`, `documents`: it must have one for each of them, too.
        """
        price = self.find(organization_id=None, model_id=model_id, model_class=model_class, at=time.time())
        return price is not None and price.covers(images=images, documents=documents)


def load_price_book() -> PriceBook:
    """The price book as the database has it now: one query."""
    return PriceBook(PriceVersion.objects.all())


def is_priced(model_id: str, model_class: str, *, images: bool = False, documents: bool = False) -> bool:
    """`PriceBook.is_priced` of the database as it is now."""
    return load_price_book().is_priced(model_id, model_class, images=images, documents=documents)
