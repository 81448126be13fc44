"""Text of customers in which no special token is spelled out.

An engine tokenizes a prompt with special tokens switched on: text that spells one would become one, and could end a
turn or pose as the system. `SpecialTokens` breaks every such spelling with a space after its first character
("<|im_end|>" becomes "< |im_end|>"): still readable for model and customer, a character that no tokenizer's normalizer
drops, and nothing else of the text changes.
"""

import re
from collections.abc import Iterable

# The first that no special token holds breaks spellings.
BREAKS = (" ", "\u200b", "\u2060")


class AssetError(Exception):
    """A model's template or tokenizer cannot be used; the message is for the operator and holds no content."""


def spelling(tokens: Iterable[str]) -> re.Pattern[str]:
    """An expression that finds the first character of every spelling of a token of two characters or more.

    A look-ahead, so that spellings that overlap are all found. Grouped by that character, so that the scan of a text
    stops only where a token could begin.
    """
    by_first: dict[str, list[str]] = {}
    for token in tokens:
        by_first.setdefault(token[0], []).append(re.escape(token[1:]))
    return re.compile("|".join(f"{re.escape(first)}(?={'|'.join(rests)})" for first, rests in by_first.items()))


class SpecialTokens:
    """The texts that a model's tokenizer turns into special ids."""

    def __init__(self, tokens: Iterable[str]) -> None:
        """Raises AssetError for tokens that nothing could break up."""
        self.tokens = tuple(dict.fromkeys(tokens))
        breakable = [token for token in self.tokens if len(token) > 1]
        self._spelling = spelling(breakable)
        self._firsts = {token[0] for token in breakable}
        joined = "".join(self.tokens)
        free = next((mark for mark in BREAKS if mark not in joined), None)
        if free is None:
            raise AssetError("The tokenizer's special tokens hold all the characters that could break them up.")
        self._broken = rf"\g<0>{free}"
        # Nothing can be put inside these.
        self._lone = str.maketrans({token: "?" for token in self.tokens if len(token) == 1})

    def neutralise(self, text: str) -> str:
        """`text` in which no special token is spelled out."""
        if self._lone:
            text = text.translate(self._lone)
        # Most texts hold none of these characters, and looking for one is far cheaper than the expression.
        for first in self._firsts:
            if first in text:
                return self._spelling.sub(self._broken, text)
        return text

    def marks(self, text: str) -> int:
        """How many characters of `text` a special token could begin with: what makes `neutralise` dear."""
        return sum(text.count(first) for first in self._firsts)
