"""Edits a picture as a prompt says: blur, grey, invert, mirror and so on; only where a mask allows it."""

import re
from collections.abc import Callable

from colours import named_colours
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

Operation = Callable[[Image.Image], Image.Image]


def edit(picture: Image.Image, prompt: str, mask: Image.Image | None, others: list[Image.Image]) -> Image.Image:
    """The picture with the first operation that the prompt names; `others` go along its lower edge.

    Where the mask is transparent the picture changes, and nowhere else.
    """
    original = picture.convert("RGB")
    changed = _operation(prompt)(original)
    for index, other in enumerate(others):
        small = ImageOps.contain(other.convert("RGB"), (max(1, original.width // 4), max(1, original.height // 4)))
        changed.paste(small, (index * original.width // 4, original.height - small.height))
    if mask is None:
        return changed
    alpha = mask.convert("RGBA").getchannel("A").resize(original.size)
    return Image.composite(original, changed, alpha)


def _blur(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(max(2, min(picture.size) // 40)))


def _grey(picture: Image.Image) -> Image.Image:
    return ImageOps.grayscale(picture).convert("RGB")


def _sepia(picture: Image.Image) -> Image.Image:
    return ImageOps.colorize(ImageOps.grayscale(picture), (40, 26, 13), (255, 240, 205))


def _pixels(picture: Image.Image) -> Image.Image:
    block = max(2, min(picture.size) // 32)
    small = picture.resize((max(1, picture.width // block), max(1, picture.height // block)), Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.NEAREST)


_OPERATIONS: tuple[tuple[str, Operation], ...] = (
    (r"blur|soft|weichzeichn|unscharf|verschw", _blur),
    (r"invert|negativ|umkehr", ImageOps.invert),
    (r"gr[ae]y|black.and.white|monochrom|grau|schwarz.?weiß|entfärb", _grey),
    (r"sepia|vintage|altes foto", _sepia),
    (r"mirror|flip|spiegel", ImageOps.mirror),
    (r"upside|auf den kopf", ImageOps.flip),
    (r"pixel|mosai", _pixels),
    (r"sharpen|schärf", lambda picture: picture.filter(ImageFilter.UnsharpMask(4, 180, 2))),
    (r"sketch|edges|outline|zeichnung|kontur|skizze", lambda p: ImageOps.invert(_grey(p.filter(ImageFilter.CONTOUR)))),
    (r"bright|light|hell", lambda picture: ImageEnhance.Brightness(picture).enhance(1.5)),
    (r"dark|dunk", lambda picture: ImageEnhance.Brightness(picture).enhance(0.55)),
    (r"poster|comic|cartoon", lambda picture: ImageOps.posterize(picture, 2)),
)


def _operation(prompt: str) -> Operation:
    lower = prompt.lower()
    for pattern, operation in _OPERATIONS:
        if re.search(pattern, lower):
            return operation
    # Else a tint: in the colour that is named, or a warm one.
    colour = next(iter(named_colours(prompt)), (238, 132, 44))
    return lambda picture: Image.blend(picture, Image.new("RGB", picture.size, colour), 0.45)
