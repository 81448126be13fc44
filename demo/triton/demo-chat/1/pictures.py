"""Looks at pictures: their size, the colours that most of them consist of, and how many tokens they take."""

import base64
import binascii
import io
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

# One token for a square of this many pixels a side, of a picture shrunk to this many pixels on its longer side.
PATCH, LONGEST_SIDE = 28, 448
MOST_PIXELS = 64_000_000
_THUMBNAIL = (64, 64)
# A colour is told when so much of the picture has it.
_WORTH_TELLING = 0.05
_COLOURS: dict[str, tuple[str, tuple[int, int, int]]] = {
    "black": ("schwarz", (10, 10, 10)),
    "white": ("weiß", (250, 250, 250)),
    "grey": ("grau", (128, 128, 128)),
    "red": ("rot", (215, 35, 35)),
    "orange": ("orange", (245, 140, 30)),
    "yellow": ("gelb", (245, 225, 55)),
    "green": ("grün", (45, 155, 60)),
    "turquoise": ("türkis", (50, 190, 190)),
    "blue": ("blau", (40, 80, 205)),
    "purple": ("violett", (130, 50, 180)),
    "pink": ("rosa", (245, 150, 190)),
    "brown": ("braun", (120, 75, 40)),
}


class UnreadablePicture(ValueError):
    """What Pillow says of a file that it cannot read, without anything of the file."""

    def __init__(self) -> None:
        super().__init__("cannot identify image file <_io.BytesIO object>")


def load_picture(encoded: bytes) -> "Image":
    """A picture from a Base64 text. Raises `UnreadablePicture`."""
    # Loading Pillow takes longer than everything else here: only where there are pictures.
    from PIL import Image

    try:
        picture = Image.open(io.BytesIO(base64.b64decode(encoded)))
        if picture.width * picture.height > MOST_PIXELS:
            raise UnreadablePicture
        picture.load()
    except (OSError, SyntaxError, binascii.Error, Image.DecompressionBombError):
        raise UnreadablePicture from None
    return picture


def tokens_of(picture: "Image") -> int:
    """How many tokens stand for the picture in the prompt."""
    share = min(1.0, LONGEST_SIDE / max(picture.size))
    width, height = (max(1, math.ceil(side * share / PATCH)) for side in picture.size)
    return width * height


def main_colours(picture: "Image") -> list[tuple[str, int]]:
    """English names of colours and their shares in percent, the most frequent first."""
    from PIL import Image

    small = picture.convert("RGBA")
    small.thumbnail(_THUMBNAIL, Image.Resampling.BOX)
    ground = Image.new("RGBA", small.size, "white")
    pixels = np.asarray(Image.alpha_composite(ground, small).convert("RGB"), dtype=np.float32).reshape(-1, 3)
    names = list(_COLOURS)
    known = np.asarray([_COLOURS[name][1] for name in names], dtype=np.float32)
    nearest = ((pixels[:, None, :] - known[None, :, :]) ** 2).sum(axis=2).argmin(axis=1)
    shares = np.bincount(nearest, minlength=len(names)) / len(nearest)
    order = sorted(range(len(names)), key=lambda index: -shares[index])[:3]
    return [(names[index], round(100 * shares[index])) for index in order if shares[index] >= _WORTH_TELLING]


def described(pictures: "list[Image]", *, german: bool) -> str:
    """A sentence for each picture: size in pixels and main colours."""
    told = []
    for number, picture in enumerate(pictures, start=1):
        colours = main_colours(picture)
        size = f"{picture.width} × {picture.height}"
        one = len(pictures) == 1
        if german:
            named = _listed([f"{_COLOURS[name][0]} ({share} %)" for name, share in colours], "und")
            told.append(
                f"{'Das Bild' if one else f'Bild {number}'} ist {size} Pixel groß; die Hauptfarben sind {named}."
            )
        else:
            named = _listed([f"{name} ({share} %)" for name, share in colours], "and")
            told.append(f"{'The image' if one else f'Image {number}'} is {size} pixels; its main colours are {named}.")
    return " ".join(told)


def _listed(names: list[str], word: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"
