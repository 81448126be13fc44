"""A request's values as the tensors that an operator's map names."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from inference.backends.kserve import DTYPES, Sent, bytes_elements
from inference.tensor_map import TOKENISED, Input, TensorMap

Values = Mapping[str, Sequence[Any]]

_encode = msgspec.json.Encoder().encode


class MissingValueError(LookupError):
    """The map asks for something that a request has not brought, and says nothing of what to send then."""


def laid_out(tensor_map: TensorMap, values: Values, batch: int) -> list[Sent]:
    """The input tensors of a call of `batch` items; `values` are by source. Raises `MissingValueError`."""
    placed = (_placed(tensor, values, batch) for tensor in tensor_map.inputs)
    return [tensor for tensor in placed if tensor is not None]


def _placed(tensor: Input, values: Values, batch: int) -> Sent | None:
    if not TOKENISED.isdisjoint(tensor.sources):
        return _token_ids(tensor, values)
    source = tensor.source
    found: Sequence[Any] = _of(source, values) if isinstance(source, str) else _json(source, values)
    if not found:
        if tensor.optional:
            return None
        if tensor.default is None:
            raise MissingValueError(tensor.tensor)
        found = [tensor.default]
    sizes = {"B": batch, "N": len(found)}
    shape = tuple(sizes[size] if isinstance(size, str) else size for size in tensor.shape)
    if len(found) == 1 and (count := math.prod(shape)) > 1:
        # What there is one of, such as a query, stands with every item.
        found = list(found) * count
    if tensor.dtype == "BYTES":
        data = bytes_elements([_text(value, tensor.encode) for value in found])
    else:
        data = np.asarray(found, DTYPES[tensor.dtype]).tobytes()
    return Sent(tensor.tensor, tensor.dtype, shape, data)


def _of(source: str, values: Values) -> Sequence[Any]:
    if source == "pairs":
        (query,) = values["query"]
        return [text for document in values["documents"] for text in (query, document)]
    return values.get(source) or ()


def _json(keys: Mapping[Any, str], values: Values) -> list[bytes]:
    found = {key: values[source][0] for source, key in keys.items() if values.get(source)}
    return [_encode(found)] if found else []


def _text(value: Any, encode: str) -> bytes:
    data: bytes = value.encode("utf-8", "replace") if isinstance(value, str) else value
    return base64.b64encode(data) if encode == "base64" else data


def _token_ids(tensor: Input, values: Values) -> Sent:
    """Token ids, or what belongs to them, filled up on the right to the longest text."""
    texts = values["input_ids"]
    longest = max(map(len, texts))
    dtype = DTYPES[tensor.dtype]
    rows = np.full((len(texts), longest), tensor.pad if tensor.source == "input_ids" else 0, dtype)
    types = values.get("token_type_ids")
    for row, ids in enumerate(texts):
        if tensor.source == "input_ids":
            rows[row, : len(ids)] = ids
        elif tensor.source == "attention_mask":
            rows[row, : len(ids)] = 1
        elif types:
            rows[row, : len(ids)] = types[row]
    return Sent(tensor.tensor, tensor.dtype, rows.shape, rows.tobytes())
