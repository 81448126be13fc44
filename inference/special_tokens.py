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


def spelling(tokens: Iterable[str]) -> str:
    """An expression for the spellings of `tokens`, of which there may be a thousand.

    As a tree, so that a look at a text ends with the first character that no token goes on with.
    """
    by_first: dict[str, list[str]] = {}
    for token in tokens:
        if not token:
            # Where one token begins another, the shorter is found in any case.
            return ""
        by_first.setdefault(token[0], []).append(token[1:])
    branches = [
        re.escape(first) + (spelling(rests) if len(rests) > 1 else re.escape(rests[0]))
        for first, rests in by_first.items()
    ]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


class SpecialTokens:
    """The texts that a model's tokenizer turns into special ids."""

    def __init__(self, tokens: Iterable[str]) -> None:
        """Raises AssetError for tokens that nothing could break up."""
        self.tokens = tuple(dict.fromkeys(tokens))
        breakable = [token for token in self.tokens if len(token) > 1]
        joined = "".join(self.tokens)
        free = next((mark for mark in BREAKS if mark not in joined), None)
        if free is None:
            raise AssetError("The tokenizer's special tokens hold all the characters that could break them up.")
        # For each character that tokens begin with: where in a text one does, and what is put there. A look-ahead finds
        # spellings that overlap, too; a replacement without a reference to what was found is far cheaper.
        self._spellings: list[tuple[str, re.Pattern[str], str]] = []
        for first in dict.fromkeys(token[0] for token in breakable):
            rests = spelling(token[1:] for token in breakable if token[0] == first)
            pattern = re.compile(f"{re.escape(first)}(?={rests})")
            self._spellings.append((first, pattern, first.replace("\\", r"\\") + free))
        # Nothing can be put inside these.
        self._lone = str.maketrans({token: "?" for token in self.tokens if len(token) == 1})

    def neutralise(self, text: str) -> str:
        """`text` in which no special token is spelled out."""
        if self._lone:
            text = text.translate(self._lone)
        for first, pattern, broken in self._spellings:
            # Most texts hold none of these characters, and looking for one is far cheaper than the expression.
            if first in text:
                text = pattern.sub(broken, text)
        return text

    def absent(self, text: str) -> bool:
        """Whether `neutralise` would leave `text` as it is, by one look at it."""
        return not self._lone and not any(pattern.search(text) for _, pattern, _ in self._spellings)

    def marks(self, text: str) -> int:
        """How many characters of `text` a special token could begin with: what makes `neutralise` dear."""
        return sum(text.count(first) for first, _, _ in self._spellings)
