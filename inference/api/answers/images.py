"""The answers of image generation and edits."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

Background = Literal["opaque", "transparent"]
Format = Literal["png", "jpeg", "webp"]


class Image(Struct):
    """A picture."""

    b64_json: str


class InputTokensDetails(Struct):
    """Pictures that were sent count none."""

    text_tokens: int
    image_tokens: int


class ImageUsage(Struct):
    """Tokens of the prompt; images are billed one by one."""

    total_tokens: int
    input_tokens: int
    output_tokens: int
    input_tokens_details: InputTokensDetails


class Images(Struct):
    """All pictures; `size` is the first one's."""

    created: int
    data: list[Image]
    background: Background
    output_format: Format
    size: str
    usage: ImageUsage
    quality: str | UnsetType = UNSET


class ImageEvent(Struct):
    """A finished picture of a stream."""

    type: Literal["image_generation.completed", "image_edit.completed"]
    b64_json: str
    created_at: int
    size: str
    quality: str
    background: Background
    output_format: Format
    usage: ImageUsage
