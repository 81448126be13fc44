"""From what an engine has made to the files that a client asked for."""

import base64
import io
from typing import Any

from django.conf import settings
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image

from inference.errors import BackendFailed, InvalidRequest
from inference.images.checking import with_image
from inference.images.drawing import Output

UNREADABLE = "The model's image could not be read."
# Pillow's own are 75 and 80; artefacts show there in flat colours, of which drawn images have many.
DEFAULT_QUALITY = 92
# A sixth of the time of the default, for files that are a few per cent larger.
PNG_LEVEL = 3
OPAQUE = 255


class Finished(Struct, frozen=True, gc=False):
    """An image as it goes out: the file in base64, and what it shows."""

    base64: bytes
    width: int
    height: int
    transparent: bool


def finish(made: bytes | NDArray[Any], output: Output) -> Finished:
    """The file of one image, encoded or as uint8 [height, width, 3]; takes up to seconds, so not on the event loop.

    Raises `BackendFailed` for what is no image, or a larger one than clients may send.
    """
    if not isinstance(made, bytes):
        height, width = made.shape[:2]
        if width * height > settings.IMAGE_MAX_PIXELS:
            raise BackendFailed(UNREADABLE)
        return _finished(Image.fromarray(made), b"", output)
    try:
        return with_image(made, lambda image: _finished(image, made, output), param="image")
    except InvalidRequest:
        # The engine's fault, not the client's.
        failed = BackendFailed(UNREADABLE)
    raise failed


def _finished(image: Image.Image, data: bytes, output: Output) -> Finished:
    image.load()
    width, height = image.size
    transparent = _is_transparent(image)
    if not data or image.format != output.format or output.quality is not None:
        data = _encoded(image, output)
    return Finished(base64.b64encode(data), width, height, transparent and output.format != "JPEG")


def _is_transparent(image: Image.Image) -> bool:
    """Whether anything shows through."""
    if not image.has_transparency_data:
        return False
    least, _ = image.convert("RGBA").getchannel("A").getextrema()
    return least < OPAQUE  # type: ignore[operator]  # of one channel it is a number


def _encoded(image: Image.Image, output: Output) -> bytes:
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    buffer = io.BytesIO()
    if output.format == "PNG":
        image.save(buffer, "PNG", compress_level=PNG_LEVEL)
    else:
        if output.format == "JPEG" and image.mode == "RGBA":
            # It has no transparency; white is what pages show behind.
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
        image.save(buffer, output.format, quality=output.quality or DEFAULT_QUALITY)
    return buffer.getvalue()
