"""demo-image: a prompt, and images to edit, to one PNG file."""

import io
import secrets
import struct
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from drawing import USUAL_GUIDANCE, USUAL_STEPS, draw
from editing import edit
from PIL import Image, UnidentifiedImageError

# What it shares with demo-embed lies there: Triton puts only a model's own folder on the path.
sys.path.append(str(Path(__file__).resolve().parents[2] / "demo-embed" / "1"))

from tensor_model import Orders, TensorModel

MOST_PIXELS = 4096 * 4096
BOMB_SIDE = 50_000


class TritonPythonModel(TensorModel):
    """See config.pbtxt for its tensors."""

    texts = ("prompt", "negative_prompt")

    def answer(self, tensors: Mapping[str, Any], orders: Orders) -> dict[str, Any]:
        """See `TensorModel`."""
        width, height = int(tensors["width"][0]), int(tensors["height"][0])
        if width < 1 or height < 1 or width * height > MOST_PIXELS:
            raise ValueError("width and height must be between 1 and 4096 pixels a side")
        if "bomb" in orders.flags:
            return _files(bomb())
        if "garbage" in orders.flags:
            return _files(b"no image at all")
        prompt = str(tensors["prompt"][0])
        if "image" in tensors and len(tensors["image"]):
            first, *others = [_read(data) for data in tensors["image"]]
            mask = _read(tensors["mask"][0]) if "mask" in tensors else None
            picture = edit(first, prompt, mask, others)
            if picture.size != (width, height):
                picture = picture.resize((width, height), Image.Resampling.LANCZOS)
        else:
            picture = draw(
                prompt,
                negative=str(tensors["negative_prompt"][0]) if "negative_prompt" in tensors else "",
                width=width,
                height=height,
                seed=int(tensors["seed"][0]) if "seed" in tensors else secrets.randbits(63),
                steps=int(tensors["steps"][0]) if "steps" in tensors else USUAL_STEPS,
                guidance=float(tensors["guidance_scale"][0]) if "guidance_scale" in tensors else USUAL_GUIDANCE,
            )
        file = io.BytesIO()
        picture.save(file, "PNG", compress_level=1)
        return _files(file.getvalue())


def bomb() -> bytes:
    """A PNG file of a few bytes that says it is 50,000 pixels wide and high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", BOMB_SIDE, BOMB_SIDE, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _files(*files: bytes) -> dict[str, Any]:
    return {"generated_image": np.asarray(files, dtype=np.object_)}


def _read(data: bytes) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(data))
        if picture.width * picture.height > MOST_PIXELS:
            raise ValueError("an image has too many pixels")
        picture.load()
    except (UnidentifiedImageError, OSError, SyntaxError):
        raise ValueError("an image cannot be read") from None
    return picture
