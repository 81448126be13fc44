"""Calls about texts that generate none, and what they cost: what embeddings and rerank share."""

from collections.abc import Callable, Sequence
from typing import Any

from billing.models import TokenSource
from inference.backends.tensor_results import Results
from inference.pipeline.attempts import inferred
from inference.pipeline.text import Asked
from inference.pipeline.work import work_meter
from inference.text_sizes import Sizes, check_sizes, check_total


class TextWork:
    """One request's calls; `meter` is its usage."""

    def __init__(self, asked: Asked, sizes: Sizes, *, total: int, param: Callable[[int], str]) -> None:
        """`total` and `param` as of `text_sizes.sizes_of`. Raises `MeteringUnavailable`."""
        self.meter = work_meter(asked)
        self._offer = asked.offer
        self._sizes = sizes
        self._total = total
        self._param = param

    async def call(self, part: slice, values: dict[str, Sequence[Any]], *, documents: int = 0) -> Results:
        """One call about a part of the texts; `values` by source, without token ids. Raises as `inferred`.

        Raises `ContextLengthExceeded` where it turns out that a text was longer than the model takes.
        """
        sizes, count = self._sizes, part.stop - part.start
        source = TokenSource.COUNTED if sizes.exact else TokenSource.ESTIMATED
        handed = self.meter.hand(sum(sizes.counts[part]), source, documents=documents)
        found = await inferred({**values, **sizes.values(part)}, self._offer, self.meter, batch=count)
        if "tokens" in found:
            counts = [int(count) for count in found["tokens"]]
            self.meter.reported(handed, sum(counts))
            if len(counts) == count:
                check_sizes(counts, self._offer, param=lambda index: self._param(part.start + index))
        return found

    def tokens(self) -> int:
        """The tokens of all calls. Raises `InvalidRequest` where they turn out to be too many."""
        tokens = self.meter.entry.input_tokens
        if not self._sizes.exact:
            check_total(tokens, self._total, param=self._param)
        return tokens
