"""The sizes in which an image model draws, as its operator sets them and clients ask for them."""

import re
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

# OpenAI's `1024x1024`, and `1024*1024` as IONOS has it.
SIZE = re.compile(r"(\d{1,5})[xX*](\d{1,5})", re.ASCII)
Side = Annotated[int, Meta(ge=1, le=16384)]


class ImageSizesError(ValueError):
    """The sizes make no sense; the message is for an operator."""


class Size(Struct, frozen=True, gc=False):
    """Width and height in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class ImageSizes(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a model draws: one of `only`, else any whose sides are between two bounds and multiples of a number.

    `default` is what a request gets that names no size.
    """

    default: str = "1024x1024"
    only: list[str] = []
    smallest: Side = 64
    largest: Side = 2048
    multiple: Side = 1

    def allow(self, size: Size) -> bool:
        """Whether the model draws this size."""
        if self.only:
            return str(size) in self.only or size in map(parse_size, self.only)
        sides = (size.width, size.height)
        return all(self.smallest <= side <= self.largest and side % self.multiple == 0 for side in sides)

    @property
    def default_size(self) -> Size:
        """The default as numbers."""
        return parse_size(self.default) or Size(1024, 1024)

    def __str__(self) -> str:
        if self.only:
            return " or ".join(filter(None, (", ".join(self.only[:-1]), self.only[-1])))
        step = f", in multiples of {self.multiple}" if self.multiple > 1 else ""
        return f"WIDTHxHEIGHT, each from {self.smallest} to {self.largest}{step}"


def parse_size(text: str) -> Size | None:
    """`text` as a size; None for what is none."""
    found = SIZE.fullmatch(text.strip())
    return Size(int(found[1]), int(found[2])) if found else None


def parse_image_sizes(content: Any) -> ImageSizes:
    """The sizes that are stored as `content`, JSON's types. Raises `ImageSizesError`."""
    try:
        found = msgspec.convert(content, ImageSizes)
    except msgspec.ValidationError as error:
        raise ImageSizesError(f"{error}.") from None
    default, *only = sizes = [parse_size(text) for text in (found.default, *found.only)]
    if default is None or None in sizes:
        raise ImageSizesError("Sizes are written as 1024x1024.")
    if not found.allow(default):
        raise ImageSizesError("The default size is none that the model draws.")
    return msgspec.structs.replace(found, default=str(default), only=_texts(only))


def _texts(sizes: Sequence[Size | None]) -> list[str]:
    return list(dict.fromkeys(str(size) for size in sizes))
