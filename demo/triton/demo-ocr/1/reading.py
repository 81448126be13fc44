"""Reads text in Pillow's built-in bitmap font (`ImageFont.load_default_imagefont`): any place, size and two colours.

Its letters are cells of 6 by 11 pixels, enlarged by a whole number; some reach one pixel into the cells beside them. No
other font is known: what is in one is no text.
"""

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

WIDTH, HEIGHT = 6, 11
# Between ink and paper, of 255.
LEAST_CONTRAST = 64
MOST_PIXELS = 16_000_000
# So much of a line must be letters that are known; after so many lines without, there is no text.
ENOUGH, PATIENCE = 0.8, 3


def read_text(picture: "Image") -> str:
    """The text in a picture, line by line; empty where none is found."""
    if picture.width * picture.height > MOST_PIXELS:
        return ""
    ink = _ink(picture)
    if ink is None:
        return ""
    lines: list[str] = []
    place, failures = 0, 0
    while (below := np.flatnonzero(ink[place:].any(axis=1))).size and failures < PATIENCE:
        first = place + int(below[0])
        top, text = _line(ink, first, place)
        if text is None:
            failures += 1
            place = first + HEIGHT
        else:
            lines.append(text)
            place = top + HEIGHT
    if failures and not lines:
        return ""
    indent = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    return "\n".join(line[indent:].rstrip() for line in lines)


def _ink(picture: "Image") -> np.ndarray | None:
    """Where there is ink, in the font's own pixels, cut to the text; None: there is no contrast."""
    from PIL import Image

    ground = Image.new("RGBA", picture.size, "white")
    grey = np.asarray(Image.alpha_composite(ground, picture.convert("RGBA")).convert("L"), dtype=np.int16)
    low, high = int(grey.min()), int(grey.max())
    if high - low < LEAST_CONTRAST:
        return None
    ink = grey < (low + high) // 2
    if ink.mean() > 0.5:
        # Light letters on a dark ground.
        ink = ~ink
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = math.gcd(_step(ink), _step(ink.T))
    small = ink[::scale, ::scale]
    # A letter's cell is larger than its ink.
    return np.pad(small, ((HEIGHT, HEIGHT), (WIDTH, 2 * WIDTH)))


def _step(ink: np.ndarray) -> int:
    """The largest number that all runs of ink and of paper along the rows are multiples of."""
    step = ink.shape[1]
    for row in ink:
        changes = np.flatnonzero(np.diff(row))
        step = functools.reduce(math.gcd, (int(change) + 1 for change in changes), step)
        if step == 1:
            break
    return step


def _line(ink: np.ndarray, first: int, above: int) -> tuple[int, str | None]:
    """The line whose ink begins in row `first`, and the row in which its cells begin; None: it cannot be read."""
    best: tuple[float, int, str | None] = (0.0, first, None)
    for top in range(max(above, first - HEIGHT + 1), first + 1):
        strip = ink[top : top + HEIGHT]
        if strip.shape[0] < HEIGHT:
            continue
        columns = np.flatnonzero(strip.any(axis=0))
        for shift in range(WIDTH):
            begin = int(columns[0]) - shift
            if begin < 0:
                continue
            score, text = _read(strip, begin, int(columns[-1]))
            if score > best[0]:
                # Cells before the first letter are spaces.
                best = (score, top, " " * (begin // WIDTH) + text)
    return best[1], best[2]


def _read(strip: np.ndarray, begin: int, end: int) -> tuple[float, str]:
    """A line's text in cells from column `begin` on, and how well it is read; 0: not well enough."""
    known = _font()
    letters, score, seen = [], 0.0, 0
    for column in range(begin, end + 1, WIDTH):
        cell = strip[:, column : column + WIDTH]
        if not cell.any():
            letters.append(" ")
            continue
        seen += 1
        letter = _letter(cell, known)
        letters.append(letter or "\ufffd")
        if letter:
            score += 2.0 if letter.isascii() and letter.isalnum() else 1.5 if letter.isascii() else 1.0
        elif seen > 5 and score < seen:
            return 0.0, ""
    found = sum(letter not in (" ", "\ufffd") for letter in letters)
    return (score - (seen - found), "".join(letters)) if seen and found >= ENOUGH * seen else (0.0, "")


def _letter(cell: np.ndarray, known: dict[bytes, list[tuple[np.ndarray, str]]]) -> str | None:
    """The letter with this ink; None: there is none.

    What is in the outer columns may be a neighbour's, and a neighbour may have covered what was there.
    """
    inner = cell[:, 1:-1]
    if not inner.any() and not known.get(inner.tobytes()):
        return " "
    near = [(int((ink ^ cell).sum()), letter) for ink, letter in known.get(inner.tobytes(), ())]
    return min(near)[1] if near else None


@functools.cache
def _font() -> dict[bytes, list[tuple[np.ndarray, str]]]:
    """The font's letters with the pixels of their cells, by those between the first and the last column."""
    from PIL import ImageFont

    font = ImageFont.load_default_imagefont()
    letters: dict[bytes, list[tuple[np.ndarray, str]]] = {}
    seen: set[bytes] = set()
    for number in (*range(33, 127), *range(161, 256)):
        # Between spaces, so that what reaches out of the cell falls away.
        mask = font.getmask(f" {chr(number)} ")
        if mask.size != (3 * WIDTH, HEIGHT):
            continue
        cell = (np.asarray(list(mask), dtype=np.uint8).reshape(HEIGHT, 3 * WIDTH) > 0)[:, WIDTH : 2 * WIDTH]
        if cell.any() and cell.tobytes() not in seen:
            seen.add(cell.tobytes())
            letters.setdefault(cell[:, 1:-1].tobytes(), []).append((cell, chr(number)))
    return letters
