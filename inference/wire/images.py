"""Images as they leave us: one body, or an event for each image."""

from collections.abc import Sequence
from typing import Any

import msgspec

from inference.images.finishing import Finished

# The qualities that OpenAI's answers name; a model here knows none.
QUALITIES = ("low", "medium", "high", "xhigh", "max")

# Measured: an image is copied a few times on its way into JSON.
MS_PER_BYTE = 4e-6

_encode = msgspec.json.Encoder().encode


class ImageEncoder:
    """Writes the answer to one request."""

    def __init__(self, *, edit: bool, created: int, output_format: str, quality: str | None = None) -> None:
        """`created` in Unix seconds; `output_format` and `quality` as clients name them."""
        self._kind = "image_edit.completed" if edit else "image_generation.completed"
        self._created = created
        self._format = output_format
        self._quality = quality if quality in QUALITIES else None
        self._told = 0

    def whole(self, images: Sequence[Finished], input_tokens: int) -> bytes:
        """The JSON body with all images; its size is that of the first."""
        body: dict[str, Any] = {
            "created": self._created,
            "data": [{"b64_json": _text(image)} for image in images],
            "background": _background(images),
            "output_format": self._format,
            "size": _size(images[0]),
            "usage": _usage(input_tokens),
        }
        if self._quality is not None:
            body["quality"] = self._quality
        return _encode(body)

    def frame(self, image: Finished, input_tokens: int) -> bytes:
        """The event of one image. `input_tokens`: of the request as far as is known now, to which all events add up."""
        tokens, self._told = input_tokens - self._told, input_tokens
        event = {
            "type": self._kind,
            "b64_json": _text(image),
            "created_at": self._created,
            "size": _size(image),
            "quality": self._quality or "auto",
            "background": _background((image,)),
            "output_format": self._format,
            "usage": _usage(tokens),
        }
        return b"event: %b\ndata: %b\n\n" % (self._kind.encode(), _encode(event))


def _text(image: Finished) -> msgspec.Raw:
    # Base64 holds nothing that JSON would escape.
    return msgspec.Raw(b'"%b"' % image.base64)


def _size(image: Finished) -> str:
    return f"{image.width}x{image.height}"


def _background(images: Sequence[Finished]) -> str:
    return "transparent" if any(image.transparent for image in images) else "opaque"


def _usage(text_tokens: int) -> dict[str, Any]:
    """Tokens of text alone: images are counted, and paid, one by one."""
    return {
        "total_tokens": text_tokens,
        "input_tokens": text_tokens,
        "output_tokens": 0,
        "input_tokens_details": {"text_tokens": text_tokens, "image_tokens": 0},
    }
