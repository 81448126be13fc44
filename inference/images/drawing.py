"""The internal request for images: what is to be drawn, and as what files it is to come out."""

from typing import Literal

from msgspec import Struct

from inference.conversation import Picture
from inference.image_sizes import Size


class Upload(Struct, frozen=True):
    """An encoded file that a client sent as it is; `param` is its name in the form."""

    data: bytes
    param: str


class Output(Struct, frozen=True):
    """The files that the client wants; `quality` from 1 to 100, None: what suits the format."""

    format: Literal["PNG", "JPEG", "WEBP"] = "PNG"
    quality: int | None = None


class Drawing(Struct, frozen=True, kw_only=True):
    """One request for images: of a prompt, or of a prompt and pictures that are to be changed.

    None means that the model's own default holds. `mask` is transparent where the first picture is to be changed.
    """

    prompt: str
    negative_prompt: str | None = None
    n: int = 1
    size: Size | None = None
    seed: int | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    output: Output = Output()
    pictures: tuple[Picture | Upload, ...] = ()
    mask: Picture | Upload | None = None
