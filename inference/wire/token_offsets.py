"""Where the tokens of a text begin."""

from collections.abc import Iterable

from inference.generation import ChosenToken

# Stands for bytes that are no character by themselves.
PARTIAL = "\ufffd"


class TokenOffsets:
    """Places tokens in the text that they make up, as both come.

    Tokens that are a part of a character show as U+FFFD and do not tell how long they are: where the next whole one
    stands is looked up in the text, if that has come so far.
    """

    __slots__ = ("_next", "_partial", "_start", "_text")

    def __init__(self) -> None:
        self._text = ""
        # Where `_text` begins, and where the next token does.
        self._start = self._next = 0
        # How many U+FFFD there were since a whole token.
        self._partial = 0

    def feed(self, text: str, tokens: Iterable[ChosenToken]) -> list[int]:
        """The offsets of `tokens` in characters from the answer's beginning; `text` is what came with them."""
        self._text += text
        offsets = [self._place(token.token) for token in tokens]
        past = min(self._next - self._start, len(self._text))
        self._text, self._start = self._text[past:], self._start + past
        return offsets

    def _place(self, token: str) -> int:
        if PARTIAL in token:
            offset = self._next
            self._next += token.index(PARTIAL)
            self._partial += token.count(PARTIAL)
            return offset
        if self._partial and token:
            begin = self._next - self._start
            found = self._text.find(token, begin, begin + self._partial + len(token))
            # Of what is not there yet, the least that it can be: a character.
            self._next = self._next + 1 if found < 0 else self._start + found
            self._partial = 0
        offset = self._next
        self._next += len(token)
        return offset
