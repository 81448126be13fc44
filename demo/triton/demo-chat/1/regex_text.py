"""A text that a regular expression matches, written the short way: for `pattern` and for guided decoding."""

import random
import re
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

# What an expression that allows any character gets.
_ANY = "abcdefghijklmnopqrstuvwxyz"
_WORD = _ANY + "0123456789_"
_CATEGORIES = {
    codes.CATEGORY_DIGIT: "0123456789",
    codes.CATEGORY_NOT_DIGIT: _ANY,
    codes.CATEGORY_SPACE: " ",
    codes.CATEGORY_NOT_SPACE: _ANY,
    codes.CATEGORY_WORD: _WORD,
    codes.CATEGORY_NOT_WORD: " -.",
}
# Beyond what must be, a repetition gets as many more as make it readable.
_USUAL_REPEATS = 5
_LONGEST = 4000
_PRINTABLE = [chr(number) for number in range(32, 127)]


def matching(pattern: str, rng: random.Random) -> str:
    """A text that `pattern` matches from its first to its last character. Raises ValueError where none was found."""
    try:
        tree = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"the regular expression cannot be used: {type(error).__name__}") from None
    for _ in range(20):
        text = _Writer(rng).sequence(tree)
        if len(text) <= _LONGEST and re.search(pattern, text):
            return text
    raise ValueError("no text was found for a regular expression")


class _Writer:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._groups: dict[int, str] = {}

    def sequence(self, items: Any) -> str:
        return "".join(self._item(code, value) for code, value in items)

    def _item(self, code: Any, value: Any) -> str:
        if code is codes.LITERAL:
            return chr(value)
        if code is codes.NOT_LITERAL:
            return next(letter for letter in _ANY if ord(letter) != value)
        if code is codes.ANY:
            return self._rng.choice(_ANY)
        if code is codes.IN:
            return self._one_of(value)
        if code is codes.BRANCH:
            return self.sequence(self._rng.choice(value[1]))
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            return self._repeated(*value)
        if code is codes.SUBPATTERN:
            text = self.sequence(value[3])
            if value[0] is not None:
                self._groups[value[0]] = text
            return text
        if code is codes.ATOMIC_GROUP:
            return self.sequence(value)
        if code is codes.GROUPREF:
            return self._groups.get(value, "")
        if code in (codes.AT, codes.ASSERT, codes.ASSERT_NOT):
            # Places stand for no character; whether they fit, the search at the end tells.
            return ""
        raise ValueError("a part of the regular expression is not supported")

    def _one_of(self, choices: Any) -> str:
        negated = choices[0][0] is codes.NEGATE
        named = "".join(self._characters(code, value) for code, value in choices[negated:])
        if not negated:
            return self._rng.choice(named)
        return self._rng.choice([letter for letter in _ANY + "".join(_PRINTABLE) if letter not in named])

    @staticmethod
    def _characters(code: Any, value: Any) -> str:
        if code is codes.LITERAL:
            return chr(value)
        if code is codes.RANGE:
            return "".join(chr(number) for number in range(value[0], min(value[1], value[0] + 256) + 1))
        return _CATEGORIES.get(value, _ANY)

    def _repeated(self, least: int, most: Any, items: Any) -> str:
        most = least + _USUAL_REPEATS if most is codes.MAXREPEAT else min(int(most), least + _USUAL_REPEATS)
        if least > _LONGEST:
            raise ValueError("a repetition in the regular expression is too long")
        return "".join(self.sequence(items) for _ in range(self._rng.randint(max(least, min(1, most)), most)))
