"""The sentences of demo-chat, by language and purpose; `{t}` is the topic, `{u}` another word of the question."""

import json
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent / "phrases"


def _sentences(name: str) -> dict[str, list[str]]:
    return dict(json.loads((_FOLDER / name).read_text(encoding="utf-8")))


def _words(name: str) -> frozenset[str]:
    return frozenset((_FOLDER / name).read_text(encoding="utf-8").split())


ENGLISH = _sentences("english.json")
GERMAN = _sentences("german.json")
CAPITALS: dict[str, str] = json.loads((_FOLDER / "capitals.json").read_text(encoding="utf-8"))
# Words that say nothing about a topic, and words by which German is known.
STOPWORDS = _words("stopwords.txt")
GERMAN_HINTS = _words("german_hints.txt")
# German words to the English ones that tools are named with.
SAME_WORDS: dict[str, str] = json.loads((_FOLDER / "same_words.json").read_text(encoding="utf-8"))
