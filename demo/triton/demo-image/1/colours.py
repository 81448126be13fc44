"""Colours that words name, in English and German, and palettes for words that name none."""

import colorsys
import random
import re

Colour = tuple[int, int, int]

_NAMED: dict[str, Colour] = {
    "red rot rote roter rotes fire feuer": (214, 56, 44),
    "orange orangen sunset sonnenuntergang autumn herbst": (238, 132, 44),
    "yellow gelb gelbe gelber gelbes sun sonne sonnig golden gold": (246, 203, 65),
    "green grün grüne grüner grünes forest wald meadow wiese grass gras tree baum": (64, 150, 78),
    "turquoise türkis teal lagoon lagune": (56, 178, 172),
    "blue blau blaue blauer blaues sea meer ocean ozean sky himmel water wasser harbour harbor hafen": (48, 108, 190),
    "purple violet lila violett": (126, 74, 172),
    "pink rosa rose flower blume blossom blüte": (232, 130, 170),
    "brown braun braune brauner braunes earth erde wood holz": (128, 84, 52),
    "black schwarz schwarze schwarzer schwarzes night nacht": (26, 28, 38),
    "white weiß weiße weißer weißes snow schnee winter": (240, 244, 248),
    "grey gray grau graue grauer graues fog nebel rain regen": (136, 144, 152),
}
COLOURS = {word: colour for words, colour in _NAMED.items() for word in words.split()}
_WORD = re.compile(r"[^\W\d_]+")


def named_colours(text: str) -> list[Colour]:
    """The colours that the words of `text` stand for, in their order and each once."""
    found = (COLOURS.get(word) for word in _WORD.findall(text.lower()))
    return list(dict.fromkeys(colour for colour in found if colour))


def palette(prompt: str, negative: str, rng: random.Random) -> list[Colour]:
    """Four colours that go together: those that the prompt names, none that `negative` names, others by chance."""
    unwanted = named_colours(negative)
    chosen = [colour for colour in named_colours(prompt) if colour not in unwanted][:4]
    hue = rng.random()
    while len(chosen) < 4:
        hue = (hue + rng.choice((0.08, 0.12, 0.42))) % 1.0
        red, green, blue = colorsys.hls_to_rgb(hue, rng.uniform(0.45, 0.75), rng.uniform(0.4, 0.75))
        colour = (round(red * 255), round(green * 255), round(blue * 255))
        if all(_distance(colour, other) > 60 for other in unwanted):
            chosen.append(colour)
    return chosen


def _distance(one: Colour, other: Colour) -> float:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5
