"""Embeddings as they leave us."""

import base64

import msgspec
import numpy as np
from numpy.typing import NDArray

# Measured, for each number of a vector.
MS_PER_NUMBER = 1e-4
MS_PER_BASE64_NUMBER = 1e-5

_encode = msgspec.json.Encoder().encode


def encoding_ms(numbers: int, *, as_base64: bool) -> float:
    """What `embeddings_body` takes for so many numbers at most."""
    return numbers * (MS_PER_BASE64_NUMBER if as_base64 else MS_PER_NUMBER)


def embeddings_body(vectors: NDArray[np.float32], *, model: str, tokens: int, as_base64: bool) -> bytes:
    """The whole answer: a vector for each row, in order.

    `as_base64`: as little-endian 32-bit floats in base64, which OpenAI's SDKs ask for. As JSON numbers they are exactly
    the same.
    """
    rows = vectors.astype("<f4", copy=False)
    parts = []
    for index, row in enumerate(rows):
        embedding = b'"%b"' % base64.b64encode(row.tobytes()) if as_base64 else _encode(row.tolist())
        parts.append(b'{"object":"embedding","index":%d,"embedding":%b}' % (index, embedding))
    usage = b'{"prompt_tokens":%d,"total_tokens":%d}' % (tokens, tokens)
    return b'{"object":"list","data":[%b],"model":%b,"usage":%b}' % (b",".join(parts), _encode(model), usage)
