"""What a question offers as values: names, places, numbers, dates, addresses, quotations."""

import re
from typing import Any

from phrases import STOPWORDS
from sums import find_sum
from topics import WORD

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\d)")
_QUOTED = re.compile(r"\"([^\"]+)\"|'([^']{2,})'|„([^“”]+)[“”]|“([^”]+)”|«([^»]+)»|`([^`]+)`")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]*\w")
_URL = re.compile(r"https?://[^\s<>\"')]+")
_PATH = re.compile(r"(?<![\w/:])(?:~?/[\w./-]*\w|\.{1,2}/[\w./-]*|[\w-]+(?:/[\w.-]+)+|[\w-]+\.[a-z]{1,5})(?![\w@])")
_DAYS = (
    r"monday|tuesday|wednesday|thursday|friday|saturday|sunday|montag|dienstag|mittwoch|donnerstag|freitag|samstag"
    r"|sonntag|today|tomorrow|yesterday|tonight|heute|morgen|gestern|übermorgen"
)
_DATE = re.compile(rf"\b(?:\d{{4}}-\d\d-\d\d|\d{{1,2}}\.\d{{1,2}}\.\d{{4}}|{_DAYS})\b", re.IGNORECASE)
_TIME = re.compile(r"\b\d{1,2}:\d\d(?::\d\d)?\b")
_NAME = r"[A-ZÄÖÜ][\w’-]*(?:\s+(?:am\s|an\sder\s|de\s)?[A-ZÄÖÜ][\w’-]*)*"
_PLACES = re.compile(
    rf"\b(?:in|at|near|for|of|to|from|nach|bei|für|von|aus)\s+({_NAME}(?:\s*(?:,|;|&|\band\b|\bund\b|\bor\b|\boder\b)"
    rf"\s*(?:and\s+|und\s+)?(?:in\s+|for\s+|für\s+)?{_NAME})*)"
)
_BETWEEN = re.compile(r"\s*(?:,|;|&|\band\b|\bund\b|\bor\b|\boder\b)\s*(?:and\s+|und\s+)?(?:in\s+|for\s+|für\s+)?")
_NAMES = re.compile(_NAME)
_AFTER = {
    "from": re.compile(rf"\b(?:from|von|ab|aus)\s+({_NAME})"),
    "to": re.compile(rf"\b(?:to|nach|bis)\s+({_NAME})"),
}
_CODE = re.compile(r"\b[A-Z]{2,5}\b")
_MONTHS = frozenset(
    (
        *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
        *("November", "December", "Januar", "Februar", "März", "Mai", "Juni", "Juli", "Oktober", "Dezember", "I"),
    )
)
# What a field is about, by its name; the first that fits.
_KINDS = (
    ("emails", r"e?-?mail"),
    ("urls", r"url|uri|link|href|website"),
    ("paths", r"path|file|folder|director|datei|ordner|pfad"),
    ("dates", r"date|day|when|datum|deadline|tag\b"),
    ("times", r"\btime|uhrzeit|hour"),
    ("from", r"^from|origin|departure|source|^start|von\b"),
    ("to", r"^to$|^to |destination|arrival|target|ziel|nach\b"),
    ("places", r"city|location|place|town|country|region|ort\b|stadt|land\b|address|where"),
    ("codes", r"currency|symbol|ticker|iso|code$"),
    ("people", r"name|person|people|who|participant|attendee|author|user|contact|recipient|player|member|guest"),
    ("sums", r"expression|formula|calculation|equation|ausdruck|rechnung"),
)


class Hints:
    """The values in one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._used: dict[str, int] = {}
        quoted = [next(filter(None, groups)) for groups in _QUOTED.findall(text)]
        places = [place for found in _PLACES.findall(text) for place in _BETWEEN.split(found) if _is_name(place)]
        names = [name for found in _NAMES.findall(text) if (name := _without_first_stopword(found)) and _is_name(name)]
        total = find_sum(text)
        self._values: dict[str, list[str]] = {
            "quoted": quoted,
            "emails": _EMAIL.findall(text),
            "urls": [url.rstrip(".,;:!?") for url in _URL.findall(text)],
            "paths": _PATH.findall(_EMAIL.sub("", _URL.sub("", text))),
            "dates": _DATE.findall(text),
            "times": _TIME.findall(text),
            "from": _AFTER["from"].findall(text),
            "to": _AFTER["to"].findall(text),
            "places": _distinct(places or names),
            "people": _distinct(names),
            "codes": [code for code in _CODE.findall(text) if code not in ("I",)],
            "sums": [total[0]] if total else [],
            "numbers": _NUMBER.findall(text),
        }

    def texts(self, name: str) -> list[str]:
        """What a field may hold by its name, all of it; empty: nothing was found."""
        words = re.sub(r"(?<=[a-z])(?=[A-Z])|[_-]+", " ", name).lower()
        kind = next((kind for kind, pattern in _KINDS if re.search(pattern, words)), None)
        if kind in ("people", "places") and self._values["quoted"]:
            return self._values["quoted"]
        if kind in ("from", "to") and not self._values[kind]:
            kind = "places"
        return self._values[kind] if kind else self._values["quoted"]

    def text(self, name: str) -> str | None:
        """The next of `texts`; the last again when they are used up."""
        found = self.texts(name)
        return found[min(self._turn(name), len(found) - 1)] if found else None

    def number(self, name: str) -> float | None:
        """The next number of the text."""
        found = self._values["numbers"]
        turn = self._turn("")
        return float(found[turn]) if turn < len(found) else None

    def one_of(self, options: list[Any]) -> Any | None:
        """The option that the text names: as it is, or without the plural."""
        lower = f" {' '.join(WORD.findall(self._text.lower()))} "
        for option in options:
            words = " ".join(WORD.findall(option.lower().replace("_", " "))) if isinstance(option, str) else ""
            if words and (f" {words} " in lower or f" {words}s " in lower):
                return option
        return None

    def denies(self) -> bool:
        """Whether the text says no."""
        return bool(re.search(r"\b(?:no|not|without|don't|never|kein\w*|nicht|ohne|nie)\b", self._text.lower()))

    def _turn(self, name: str) -> int:
        turn = self._used.get(name, 0)
        self._used[name] = turn + 1
        return turn


def _is_name(text: str) -> bool:
    lower = text.lower()
    return bool(text) and lower not in STOPWORDS and text not in _MONTHS and not _DATE.fullmatch(text)


def _without_first_stopword(name: str) -> str:
    """A sentence's first word is capitalised whatever it is."""
    first, _, rest = name.partition(" ")
    return rest if first.lower() in STOPWORDS else name


def _distinct(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))
