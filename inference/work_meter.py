"""The usage of what generates no text: embeddings, rerank, images."""

from typing import Unpack

from msgspec import Struct

from billing.models import TokenSource
from inference.meter import Meter, Request


class Handed(Struct):
    """What one call brought an engine: its input tokens, and how their number is known."""

    tokens: int
    source: TokenSource


class WorkMeter(Meter):
    """One request's usage while it runs, of work in one call or several that generates no text.

    What an engine was handed it works on to the end, whoever still waits; so it counts from then on.
    """

    def __init__(self, **request: Unpack[Request]) -> None:
        """`request` as of `Meter`."""
        super().__init__(**request, input_tokens=0, token_source=TokenSource.COUNTED)
        self._handed: list[Handed] = []

    def hand(self, tokens: int, source: TokenSource, *, documents: int = 0, images: int = 0) -> Handed:
        """A call begins, with so many input tokens as far as is known."""
        handed = Handed(tokens, source)
        self._handed.append(handed)
        self.entry.documents += documents
        self.entry.images += images
        self._sum()
        return handed

    def made(self, images: int) -> None:
        """So many more images are there, which a client that leaves, or a process that is killed, does not undo."""
        self.entry.images += images
        self._writer.progress(self.entry)

    def reported(self, handed: Handed, tokens: int) -> None:
        """The engine's own count of a call's input tokens."""
        handed.tokens, handed.source = tokens, TokenSource.REPORTED
        self._sum()

    def _sum(self) -> None:
        sources = {handed.source for handed in self._handed}
        # No better known than the least known of them.
        worst = (TokenSource.NONE, TokenSource.ESTIMATED, TokenSource.COUNTED)
        self.entry.token_source = next((source for source in worst if source in sources), TokenSource.REPORTED)
        self.entry.input_tokens = sum(handed.tokens for handed in self._handed)
