"""KServe's v2 inference protocol with Triton's binary tensors (extension_binary_data): requests and answers as bytes.

Pure: bytes and arrays in, bytes and arrays out. Numbers lie little-endian and row by row, an element of BYTES behind
its length in four bytes.
"""

import math
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    # numpy has no such type: the upper half of a 32-bit float.
    "BF16": np.dtype("<u2"),
}
HEADER = "Inference-Header-Content-Length"
_LENGTH = struct.Struct("<I")

_encode = msgspec.json.Encoder().encode


class NoAnswerError(ValueError):
    """The bytes are no answer of this protocol."""


class Sent(Struct, frozen=True):
    """An input tensor as it goes out."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: bytes


class Received(Struct, frozen=True):
    """An output tensor as it came: numbers, or the elements of BYTES in order."""

    shape: tuple[int, ...]
    values: "np.ndarray[Any, Any] | list[bytes]"


class _Output(Struct):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = {}


class _Head(Struct):
    outputs: list[_Output]


_decode_head = msgspec.json.Decoder(_Head).decode


def bytes_elements(values: Iterable[bytes]) -> bytes:
    """The elements of a BYTES tensor."""
    return b"".join([part for value in values for part in (_LENGTH.pack(len(value)), value)])


def request_parts(inputs: Sequence[Sent], outputs: Iterable[str]) -> tuple[bytes, int]:
    """The body of a request for these outputs, and the length of the JSON it begins with."""
    head = _encode(
        {
            "inputs": [
                {
                    "name": tensor.name,
                    "shape": tensor.shape,
                    "datatype": tensor.datatype,
                    "parameters": {"binary_data_size": len(tensor.data)},
                }
                for tensor in inputs
            ],
            # A tensor that is not text would not survive JSON.
            "outputs": [{"name": name, "parameters": {"binary_data": True}} for name in outputs],
        }
    )
    return b"".join([head, *(tensor.data for tensor in inputs)]), len(head)


def read_answer(body: bytes, header_bytes: int) -> dict[str, Received]:
    """The output tensors in a body whose first `header_bytes` are JSON. Raises `NoAnswerError`."""
    try:
        head = _decode_head(body[:header_bytes])
    except (msgspec.DecodeError, UnicodeDecodeError):
        # The cause may hold a piece of the answer.
        raise NoAnswerError("The head of the answer cannot be read.") from None
    found: dict[str, Received] = {}
    offset = header_bytes
    for output in head.outputs:
        size = output.parameters.get("binary_data_size")
        if not isinstance(size, int) or size < 0 or offset + size > len(body) or min(output.shape, default=0) < 0:
            raise NoAnswerError("A tensor is not as long as it says.")
        found[output.name] = _tensor(output, memoryview(body)[offset : offset + size])
        offset += size
    return found


def _tensor(output: _Output, data: memoryview) -> Received:
    shape, count = tuple(output.shape), math.prod(output.shape)
    if output.datatype == "BYTES":
        elements = _elements(data)
        if len(elements) != count:
            raise NoAnswerError("A tensor has not as many elements as it says.")
        return Received(shape, elements)
    dtype = DTYPES.get(output.datatype)
    if dtype is None or len(data) != count * dtype.itemsize:
        raise NoAnswerError("A tensor is not as long as its shape.")
    values = np.frombuffer(data, dtype)
    if output.datatype == "BF16":
        values = (values.astype("<u4") << 16).view("<f4")
    return Received(shape, values.reshape(shape))


def _elements(data: memoryview) -> list[bytes]:
    elements, offset = [], 0
    while offset < len(data):
        if offset + _LENGTH.size > len(data):
            raise NoAnswerError("A tensor of texts is cut off.")
        (length,) = _LENGTH.unpack_from(data, offset)
        offset += _LENGTH.size
        if offset + length > len(data):
            raise NoAnswerError("A tensor of texts is cut off.")
        elements.append(bytes(data[offset : offset + length]))
        offset += length
    return elements
