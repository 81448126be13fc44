"""Whether bytes are an image that may be decoded: format, size and number of pixels first, then that it decodes."""

import io
import struct
from collections.abc import Callable
from typing import Literal, TypeVar

from django.conf import settings
from msgspec import Struct
from PIL import Image, ImageFile, UnidentifiedImageError

from inference.errors import InvalidRequest

T = TypeVar("T")
Format = Literal["PNG", "JPEG", "WEBP", "GIF"]
# By their first bytes, whatever name or media type they came with; Pillow is given no other decoder.
FORMATS: tuple[Format, ...] = ("PNG", "JPEG", "WEBP", "GIF")
MEBIBYTE = 1024 * 1024
# Its marker, which compressed data never holds.
JPEG_SCAN = b"\xff\xda"
# Real ones have about ten. Each makes the decoder go through all of the picture once more, however short it is.
MOST_JPEG_SCANS = 40

# Pillow only warns of what is up to twice its own limit; ours is looked at before anything is decoded.
Image.MAX_IMAGE_PIXELS = None

# What Pillow's decoders raise for files that are broken, by accident or on purpose.
UNREADABLE = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, AttributeError,
    struct.error, MemoryError, Image.DecompressionBombError, UnidentifiedImageError,
)  # fmt: skip


class ImageInfo(Struct, frozen=True, gc=False):
    """What a checked image is; `width` and `height` in pixels, before any rotation that its metadata asks for."""

    format: Format
    width: int
    height: int


def check_image(data: bytes, *, param: str) -> ImageInfo:
    """What the image in `data` is, once all of it has been decoded; takes up to seconds, so not on the event loop.

    Raises `InvalidRequest` with `param` for what is no PNG, JPEG, WebP or still GIF, is larger than `IMAGE_MAX_BYTES`
    or `IMAGE_MAX_PIXELS`, or is broken.
    """
    return with_image(data, _decoded, param=param)


def _decoded(image: Image.Image) -> ImageInfo:
    info = ImageInfo(_format(image), *image.size)
    if isinstance(image, ImageFile.ImageFile):
        # A JPEG is read to its end all the same, at an eighth of the width and height.
        image.draft(image.mode, (1, 1))
    image.load()
    return info


def with_image(data: bytes, work: Callable[[Image.Image], T], *, param: str) -> T:
    """What `work` makes of the image in `data`, which is within all limits but not yet decoded.

    Raises `InvalidRequest` as `check_image` does, also for what goes wrong in `work`.
    """
    _check_bytes(data, param)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            problem = _problem_of(image, data, param)
            if problem is None:
                return work(image)
    except UnidentifiedImageError:
        problem = InvalidRequest(
            f"Invalid '{param}': the image must be a PNG, JPEG, WebP or GIF file.",
            param=param,
            code="invalid_image_format",
        )
    except UNREADABLE:
        problem = _unreadable(param)
    # Out here: what Pillow says may hold pieces of the file, and must not become the cause of what we raise.
    raise problem


def file_too_large(param: str) -> InvalidRequest:
    """The error for more bytes than an image may have."""
    limit = settings.IMAGE_MAX_BYTES / MEBIBYTE
    return InvalidRequest(
        f"Invalid '{param}': the image is larger than {limit:.4g} MiB.", param=param, code="image_file_too_large"
    )


def too_many(param: str, most: int | None = None) -> InvalidRequest:
    """The error for one more image than a request may have, or than the `most` that a model takes."""
    whose = f"a request may have at most {settings.IMAGES_PER_REQUEST}" if most is None else f"this model takes {most}"
    return InvalidRequest(f"Invalid '{param}': {whose} images.", param=param, code="too_many_images")


def _check_bytes(data: bytes, param: str) -> None:
    if not data:
        raise InvalidRequest(f"Invalid '{param}': the image is empty.", param=param, code="empty_image_file")
    if len(data) > settings.IMAGE_MAX_BYTES:
        raise file_too_large(param)


def _problem_of(image: Image.Image, data: bytes, param: str) -> InvalidRequest | None:
    """What is wrong with an image that would cost too much to decode, or show only a part of itself."""
    width, height = image.size
    if width * height > settings.IMAGE_MAX_PIXELS:
        message = f"Invalid '{param}': the image has more than {settings.IMAGE_MAX_PIXELS} pixels."
        return InvalidRequest(message, param=param, code="image_too_large")
    kind = _format(image)
    # A JPEG with further pictures, as phones make them, counts as its first one.
    if kind != "JPEG" and getattr(image, "is_animated", False):
        message = f"Invalid '{param}': the image is animated; send a single picture."
        return InvalidRequest(message, param=param, code="invalid_image_format")
    scans = data.count(JPEG_SCAN) if kind == "JPEG" else 0
    return _unreadable(param) if width < 1 or height < 1 or scans > MOST_JPEG_SCANS else None


def _format(image: Image.Image) -> Format:
    # "MPO": a JPEG that is followed by more of them.
    kind = "JPEG" if image.format == "MPO" else image.format
    return next(known for known in FORMATS if known == kind)


def _unreadable(param: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid '{param}': the image is damaged and cannot be read.", param=param, code="image_parse_error"
    )
