"""Draws a picture from a prompt: a gradient of its colours, a sun or moon, hills, and shapes for its words."""

import hashlib
import math
import random
import re

import numpy as np
from colours import Colour, palette
from PIL import Image, ImageDraw, ImageEnhance

# Guidance at which colours are as they are; more makes them stronger.
USUAL_GUIDANCE = 7.5
# Steps at which nothing is missing; fewer leave details out.
USUAL_STEPS = 30
_WORD = re.compile(r"\w{3,}")


def draw(prompt: str, *, negative: str, width: int, height: int, seed: int, steps: int, guidance: float) -> Image.Image:
    """The same picture each time for the same values; sizes in pixels."""
    digest = hashlib.sha256(f"{prompt}\n{negative}\n{seed}".encode("utf-8", "replace")).digest()
    rng = random.Random(digest)
    colours = palette(prompt, negative, rng)
    picture = _gradient(width, height, colours[0], colours[1], rng.uniform(0.0, math.tau))
    layer = Image.new("RGBA", (width, height))
    pen = ImageDraw.Draw(layer)
    unit = min(width, height)
    _disc(pen, rng.uniform(0.2, 0.8) * width, rng.uniform(0.12, 0.4) * height, unit * rng.uniform(0.08, 0.16), colours)
    for depth in range(3):
        _hill(pen, width, height, depth, colours[2], rng)
    words = list(dict.fromkeys(_WORD.findall(prompt.lower())))[: max(1, round(12 * min(1.0, steps / USUAL_STEPS)))]
    for word in words:
        _shape(pen, width, height, unit, word, colours[3], rng)
    picture = Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")
    strength = max(0.0, min(2.0, guidance / USUAL_GUIDANCE))
    return picture if strength == 1.0 else ImageEnhance.Color(picture).enhance(strength)


def _gradient(width: int, height: int, begin: Colour, end: Colour, angle: float) -> Image.Image:
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32) * math.cos(angle)
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32) * math.sin(angle)
    share = np.clip(down[:, None] + across[None, :] + 0.5, 0.0, 1.0)[..., None]
    first, last = np.asarray(begin, dtype=np.float32), np.asarray(end, dtype=np.float32)
    return Image.fromarray((first + (last - first) * share).astype(np.uint8), "RGB")


def _disc(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, colours: list[Colour]) -> None:
    for ring in range(4, 0, -1):
        spread = radius * (1 + ring * 0.22)
        pen.ellipse((x - spread, y - spread, x + spread, y + spread), fill=(*colours[3], 26))
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*_lighter(colours[3], 0.5), 255))


def _hill(pen: ImageDraw.ImageDraw, width: int, height: int, depth: int, colour: Colour, rng: random.Random) -> None:
    base = height * (0.62 + 0.13 * depth)
    swing, waves, begin = height * rng.uniform(0.03, 0.08), rng.uniform(1.0, 2.6), rng.uniform(0.0, math.tau)
    step = max(1, width // 96)
    line = [(x, base + swing * math.sin(begin + x / width * math.tau * waves)) for x in range(0, width + step, step)]
    pen.polygon([*line, (width + step, height), (0, height)], fill=(*_lighter(colour, 0.35 - 0.18 * depth), 235))


def _shape(
    pen: ImageDraw.ImageDraw, width: int, height: int, unit: int, word: str, colour: Colour, rng: random.Random
) -> None:
    """A word's length decides on the shape's corners."""
    x, y = rng.uniform(0.05, 0.95) * width, rng.uniform(0.1, 0.92) * height
    radius = max(1.5, unit * rng.uniform(0.015, 0.05))
    fill = (*_lighter(colour, rng.uniform(-0.2, 0.4)), 210)
    corners = len(word) % 5 + 2
    if corners < 3:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    else:
        pen.regular_polygon((x, y, radius), corners, rotation=rng.randrange(360), fill=fill)


def _lighter(colour: Colour, share: float) -> Colour:
    goal = 255 if share > 0 else 0
    red, green, blue = (round(value + (goal - value) * abs(share)) for value in colour)
    return red, green, blue
