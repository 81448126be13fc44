"""How many tokens the texts of a request have that generates none, and their ids where the model takes those."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from inference.admission import assets_of
from inference.catalogue import Offer
from inference.errors import ContextLengthExceeded, InvalidRequest
from inference.meter import CHARACTERS_PER_TOKEN
from inference.tokenization import CHARACTERS_PER_TOKEN as MOST_CHARACTERS_PER_TOKEN
from inference.tokenization import FEWEST_BYTES_PER_TOKEN, Tokenizer, beside_counting, may_well_fit

# A text, or a query with its document.
Text = tuple[str, ...]


class Sizes(Struct, frozen=True):
    """The tokens of each text. `exact`: counted, else a guess until the engine tells.

    `ids` are there where the model takes token ids, `types` (which of two texts each belongs to) for pairs.
    """

    counts: list[int]
    exact: bool
    ids: list[list[int]] | None = None
    types: list[list[int]] | None = None

    def values(self, part: slice) -> dict[str, list[list[int]]]:
        """What goes to an engine that takes token ids, for a part of the texts."""
        found = {}
        if self.ids is not None:
            found["input_ids"] = self.ids[part]
        if self.types is not None:
            found["token_type_ids"] = self.types[part]
        return found


async def sizes_of(texts: Sequence[Text], offer: Offer, *, total: int, param: Callable[[int], str]) -> Sizes:
    """The sizes of texts, each within the model's context and all within `total` tokens; `param(index)` names one.

    Where the engine counts, texts that should fit are left to it (decision 0013): `check_sizes` then says whether they
    did. Raises `ContextLengthExceeded`, and `InvalidRequest` (max_tokens_per_request).
    """
    maps = [target.tensor_map for target in offer.targets if target.tensor_map is not None]
    tokenised = any(found.tokenised for found in maps)
    characters = sum(len(part) for text in texts for part in text)
    if not tokenised and all(found.outputs.tokens is not None for found in maps):
        # A character has four bytes at most.
        may_fit = 4 * characters <= FEWEST_BYTES_PER_TOKEN * total and _may_fit(texts, offer.context_length)
        if may_fit or offer.assets is None:
            guesses = [max(1, sum(map(len, text)) // CHARACTERS_PER_TOKEN) for text in texts]
            return Sizes(guesses, exact=False)
    tokenizer = assets_of(offer).tokenizer
    limit = offer.context_length
    encoded = await beside_counting(characters, _encoded, tokenizer, texts, limit, total)
    counts = [len(ids) for ids, _ in encoded]
    check_sizes(counts, offer, param=param)
    check_total(sum(counts), total, param=param)
    if not tokenised:
        return Sizes(counts, exact=True)
    types = [types for _, types in encoded] if len(texts[0]) > 1 else None
    return Sizes(counts, exact=True, ids=[ids for ids, _ in encoded], types=types)


def check_sizes(counts: Sequence[int], offer: Offer, *, param: Callable[[int], str]) -> None:
    """Raises `ContextLengthExceeded` where a text has more tokens than the model takes."""
    for index, count in enumerate(counts):
        if count > offer.context_length:
            name = param(index)
            raise ContextLengthExceeded(
                f"This model's maximum context length is {offer.context_length} tokens. "
                f"However, '{name}' has at least {count} tokens. Please reduce its length.",
                param=name,
            )


def check_total(tokens: int, total: int, *, param: Callable[[int], str]) -> None:
    """Raises `InvalidRequest` (max_tokens_per_request) where all texts together have more tokens than are allowed."""
    if tokens > total:
        message = f"Requested at least {tokens} tokens, max {total} tokens per request."
        raise InvalidRequest(message, param=param(0).partition("[")[0], code="max_tokens_per_request")


def _may_fit(texts: Sequence[Text], limit: int) -> bool:
    return all(may_well_fit("".join(text), limit) for text in texts)


def _encoded(tokenizer: Tokenizer, texts: Sequence[Text], limit: int, total: int) -> list[tuple[list[int], list[int]]]:
    """Ids and types of each text; ends with the first that is too long, or with which all together are."""
    found, all_together = [], 0
    # Hardly anything longer is within the limit: what is beyond need not be looked at to say so.
    most = MOST_CHARACTERS_PER_TOKEN * (limit + 1)
    for text in texts:
        encoded = _encode(tokenizer, [part[:most] for part in text])
        if len(encoded[0]) <= limit and any(len(part) > most for part in text):
            encoded = _encode(tokenizer, text)
        found.append(encoded)
        all_together += len(encoded[0])
        if len(encoded[0]) > limit or all_together > total:
            break
    return found


def _encode(tokenizer: Tokenizer, text: Sequence[str]) -> tuple[list[int], list[int]]:
    return tokenizer.encode_pair(text[0], text[1]) if len(text) > 1 else (tokenizer.encode(text[0]), [])
