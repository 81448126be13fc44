"""What the gateway asks of a model that generates no text when it only wants to know whether it works."""

import struct
import zlib
from collections.abc import Sequence
from typing import Any

from inference.tensor_map import TensorMap

SIDE = 256


def grey_png(side: int) -> bytes:
    """A grey square as a PNG file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\x80" * (3 * side)) * side
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# One item of each kind, as little work as can be. Any model has the token ids 1 and 2.
USUAL: dict[str, Sequence[Any]] = {
    "input": ["Hello"],
    "query": ["Hello"],
    "documents": ["Hello"],
    "input_ids": [[1, 2]],
    "prompt": ["a grey square"],
    "seed": [1],
    "steps": [1],
    "guidance_scale": [1.0],
    "width": [SIDE],
    "height": [SIDE],
    "image": [grey_png(SIDE)],
    "mask": [grey_png(SIDE)],
}


def trial_values(tensor_map: TensorMap) -> dict[str, Sequence[Any]]:
    """Values for one call of one item: the usual, or the map's own; what is optional only where the map has one."""
    required = {source for tensor in tensor_map.inputs if not tensor.optional for source in tensor.sources}
    if "pairs" in required:
        required |= {"query", "documents"}
    if tensor_map.tokenised:
        required.add("input_ids")
    values = {source: value for source, value in USUAL.items() if source in required}
    for source, value in tensor_map.probe.items():
        values[source] = value if isinstance(value, list) else [value]
    return values
