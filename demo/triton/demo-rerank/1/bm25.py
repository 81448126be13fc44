"""BM25 over the documents of one request: how much of a query a document answers, rare words first.

The score is turned into a logit, as a cross-encoder would give it: -4 for a document that holds none of the query's
words, about 2 for one that holds all of them.
"""

import math
import re
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np

K1 = 1.2
B = 0.75
WORD = re.compile(r"\w+")
# Endings that English and German words lose to be found in another form.
ENDINGS = ("ungen", "ings", "ing", "ies", "ung", "ern", "en", "er", "es", "ed", "em", "e", "n", "s", "y")
SHORTEST_STEM = 3
LOWEST, SPREAD = -4.0, 6.0
FUNCTION_WORDS = frozenset((Path(__file__).resolve().parent / "function_words.txt").read_text(encoding="utf-8").split())


def score(query: str, documents: list[str]) -> np.ndarray:
    """A logit for each document, as float32."""
    wanted = terms(query)
    telling = {term: count for term, count in wanted.items() if term not in FUNCTION_WORDS} or dict(wanted)
    held = [terms(document) for document in documents]
    lengths = [sum(counts.values()) for counts in held]
    average = sum(lengths) / max(1, len(lengths)) or 1.0
    weights = {term: _rarity(sum(term in counts for counts in held), len(held)) for term in telling}
    # What a document of average length with each of the words once comes to.
    whole = sum(weights.values()) or 1.0
    logits = []
    for counts, length in zip(held, lengths, strict=True):
        norm = K1 * (1 - B + B * length / average)
        found = sum(
            weight * counts[term] * (K1 + 1) / (counts[term] + norm) for term, weight in weights.items() if counts[term]
        )
        logits.append(LOWEST + SPREAD * found / whole)
    return np.asarray(logits, dtype=np.float32)


def terms(text: str) -> Counter[str]:
    """The stems of a text's words."""
    return Counter(_stem(word) for word in WORD.findall(unicodedata.normalize("NFKC", text).lower()))


def _stem(word: str) -> str:
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= SHORTEST_STEM and word not in FUNCTION_WORDS:
            return word.removesuffix(ending)
    return word


def _rarity(holding: int, documents: int) -> float:
    """The inverse document frequency; above 0 even for one document that holds the word."""
    return math.log(1 + (documents - holding + 0.5) / (holding + 0.5)) + 0.1
