"""Embeddings without learning: character n-grams of the words, hashed into a vector of unit length.

Texts that share words, stems or spellings share n-grams and so come to lie near each other. Words that nearly every
text holds count little.
"""

import math
import re
import unicodedata
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

DIMENSIONS = 256
SMALLEST, LARGEST = 3, 5
WORD = re.compile(r"\w+")
# Function words of both languages are short, and telling words hardly ever are.
SHORT = 3
SHORT_WEIGHT = 0.15
COMMON = frozenset((Path(__file__).resolve().parent / "common_words.txt").read_text(encoding="utf-8").split())


def embed(texts: list[str]) -> np.ndarray:
    """A row of `DIMENSIONS` float32 numbers for each text; of unit length, an empty text too."""
    known: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    rows = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        words = Counter(WORD.findall(unicodedata.normalize("NFKC", text).lower()))
        for word, count in words.items():
            if word not in known:
                known[word] = _features(word)
            places, weights = known[word]
            np.add.at(row, places, weights * (1.0 + math.log(count)))
        length = float(np.linalg.norm(row))
        if length == 0.0:
            # Nothing to go by: as good as any other direction, and the same each time.
            row[zlib.crc32(text.encode("utf-8", "replace")) % DIMENSIONS] = length = 1.0
        row /= length
    return rows


def _features(word: str) -> tuple[np.ndarray, np.ndarray]:
    """Where a word's n-grams point to, and how much each counts."""
    framed = f"<{word}>"
    grams = {framed} | {
        framed[start : start + size]
        for size in range(SMALLEST, LARGEST + 1)
        for start in range(max(1, len(framed) - size + 1))
    }
    hashes = np.fromiter((zlib.crc32(gram.encode("utf-8", "replace")) for gram in sorted(grams)), dtype=np.int64)
    weight = SHORT_WEIGHT if len(word) <= SHORT or word in COMMON else 1.0
    signs = np.where((hashes >> 16) & 1, 1.0, -1.0)
    # A long word has more n-grams, and should not count more for that.
    return hashes % DIMENSIONS, (signs * weight / math.sqrt(len(grams))).astype(np.float32)
