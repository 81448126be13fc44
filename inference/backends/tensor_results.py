"""What an answer's tensors mean by an operator's map: vectors, scores, pictures, token counts."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.backends.kserve import NoAnswerError, Received
from inference.tensor_map import Embedding, Image, Score, TensorMap

# By role. "embedding": float32 [items, dimensions]; "score": float64 [items]; "tokens": int64 [items] or [1]; "image":
# encoded files, or uint8 [images, height, width, 3].
Results = dict[str, "NDArray[Any] | list[bytes]"]

CHANNELS = 3


def results(
    tensor_map: TensorMap, received: Mapping[str, Received], batch: int, lengths: Sequence[int] | None
) -> Results:
    """What is in the answer to a call of `batch` items; `lengths`: those of its texts in tokens, where pooling asks.

    Raises `NoAnswerError` where a tensor is missing, has another shape, or holds what is no number.
    """
    outputs = tensor_map.outputs
    found: Results = {}
    if outputs.embedding is not None:
        vectors = _numbers(received, outputs.embedding.tensor)
        found["embedding"] = embeddings(vectors, outputs.embedding, batch, lengths)
    if outputs.score is not None:
        found["score"] = scores(_numbers(received, outputs.score.tensor), outputs.score, batch)
    if outputs.image is not None:
        found["image"] = pictures(_received(received, outputs.image.tensor), outputs.image)
    if outputs.tokens is not None:
        counts = _numbers(received, outputs.tokens.tensor).reshape(-1).astype(np.int64)
        if counts.size not in (1, batch) or counts.min() < 0:
            raise NoAnswerError("The token counts are none.")
        found["tokens"] = counts
    return found


def embeddings(
    values: NDArray[Any], how: Embedding, batch: int, lengths: Sequence[int] | None = None
) -> NDArray[np.float32]:
    """One vector for each item, [items, dimensions]. Raises `NoAnswerError`."""
    if how.pooling == "none":
        # [B, D], or with a dimension of one in between; a single item may come without its batch.
        if not values.size or values.size % batch or (batch > 1 and values.shape[0] != batch) or _folded(values, batch):
            raise NoAnswerError("The embeddings have another shape.")
        vectors = values.reshape(batch, -1).astype(np.float32)
    else:
        vectors = _pooled(values, how.pooling, batch, lengths or ())
    if not np.isfinite(vectors).all():
        raise NoAnswerError("The embeddings are no numbers.")
    return normalized(vectors) if how.normalize else vectors


def _folded(values: NDArray[Any], batch: int) -> bool:
    """Whether more than one dimension would be folded into one."""
    lead = 1 if values.shape[0] == batch and values.ndim > 1 else 0
    return sum(size > 1 for size in values.shape[lead:]) > 1


def _pooled(values: NDArray[Any], pooling: str, batch: int, lengths: Sequence[int]) -> NDArray[np.float32]:
    if values.ndim != 3 or values.shape[0] != batch or len(lengths) != batch or values.shape[1] < max(lengths):
        raise NoAnswerError("The hidden states have another shape.")
    if pooling == "cls":
        return values[:, 0].astype(np.float32)
    ends = np.asarray(lengths)
    if pooling == "last":
        return values[np.arange(batch), np.maximum(ends, 1) - 1].astype(np.float32)
    # What text is filled up with may hold anything, also what is no number.
    sums = [values[row, :end].sum(axis=0, dtype=np.float32) for row, end in enumerate(lengths)]
    return np.stack(sums) / np.maximum(ends, 1).astype(np.float32)[:, None]


def normalized(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row at length 1; one of zeros stays as it is."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def scores(values: NDArray[Any], how: Score, batch: int) -> NDArray[np.float64]:
    """One score for each item. Raises `NoAnswerError`."""
    logits = values.astype(np.float64)
    if how.activation == "softmax":
        if logits.size % batch or logits.size // batch < 2:
            raise NoAnswerError("There are not several classes for each item.")
        logits = logits.reshape(batch, -1)
        # The largest becomes 0: no exponential can overflow.
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        found = powers[:, -1] / powers.sum(axis=1)
    elif logits.size != batch:
        raise NoAnswerError("There is not one score for each item.")
    else:
        found = logits.reshape(batch)
    if how.activation == "sigmoid":
        found = 0.5 * (1.0 + np.tanh(0.5 * found))
    if not np.isfinite(found).all():
        raise NoAnswerError("The scores are no numbers.")
    return found


def pictures(tensor: Received, how: Image) -> "NDArray[np.uint8] | list[bytes]":
    """Encoded files, or pixels [images, height, width, 3]. Raises `NoAnswerError`."""
    values = tensor.values
    if how.encoding == "png_bytes":
        return _files(values)
    if how.encoding == "base64":
        return [_decoded(text) for text in _files(values)]
    if isinstance(values, list):
        raise NoAnswerError("The picture is no array.")
    if values.ndim == CHANNELS:
        values = values[None]
    if how.encoding.startswith("chw") and values.ndim == 4:
        values = values.transpose(0, 2, 3, 1)
    if values.ndim != 4 or values.shape[-1] != CHANNELS or not values.size:
        raise NoAnswerError("The picture has another shape.")
    if how.encoding.endswith("uint8"):
        if values.dtype != np.uint8:
            raise NoAnswerError("The picture's colours are not of eight bits.")
        return values
    if not np.isfinite(values).all():
        raise NoAnswerError("The picture's colours are no numbers.")
    unit: NDArray[Any] = values.astype(np.float32)
    if how.encoding == "chw_float_pm1":
        unit = unit / 2 + 0.5
    return np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)


def _files(values: "NDArray[Any] | list[bytes]") -> list[bytes]:
    # Also as a flat array of bytes: one file.
    files = values if isinstance(values, list) else [values.tobytes()] if values.dtype == np.uint8 else []
    if not files or not all(files):
        raise NoAnswerError("There is no picture.")
    return files


def _decoded(text: bytes) -> bytes:
    try:
        # With what a data: URL has in front, too.
        return base64.b64decode(text.rpartition(b",")[2], validate=True)
    except binascii.Error:
        raise NoAnswerError("The picture is no base64.") from None


def _received(received: Mapping[str, Received], name: str) -> Received:
    if name not in received:
        raise NoAnswerError("A tensor is missing.")
    return received[name]


def _numbers(received: Mapping[str, Received], name: str) -> NDArray[Any]:
    values = _received(received, name).values
    if isinstance(values, list):
        raise NoAnswerError("A tensor holds texts instead of numbers.")
    if not values.size:
        raise NoAnswerError("A tensor is empty.")
    return values
