"""What the engine and the load say to each other about embeddings and ranked documents: Triton's `/infer` with binary
tensors (KServe v2, extension_binary_data)."""

import json
import random
import struct
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

EMBED_MODEL = "bench-embed"
RERANK_MODEL = "bench-rerank"
# As of the models that are much used, such as bge-m3.
DIMENSIONS = 1024
HEADER = "Inference-Header-Content-Length"
# The engine says that each text has as many.
INPUT_TOKENS = 32

# Inputs and outputs of each model, with Triton's types and dimensions.
TENSORS: dict[str, tuple[dict[str, tuple[str, list[int]]], dict[str, tuple[str, list[int]]]]] = {
    EMBED_MODEL: ({"TEXT": ("BYTES", [1])}, {"EMBEDDING": ("FP32", [DIMENSIONS]), "TOKENS": ("INT32", [1])}),
    RERANK_MODEL: (
        {"QUERY": ("BYTES", [1]), "DOCUMENTS": ("BYTES", [-1])},
        {"SCORES": ("FP32", [-1]), "TOKENS": ("INT32", [-1])},
    ),
}
# The tensor whose length says how much is asked for, and whether Triton takes several requests in one call.
ITEMS = {EMBED_MODEL: "TEXT", RERANK_MODEL: "DOCUMENTS"}
MAX_BATCH = {EMBED_MODEL: 64, RERANK_MODEL: 0}


class Parameters(msgspec.Struct):
    """How long a tensor is, in bytes."""

    binary_data_size: int


class Input(msgspec.Struct):
    """A tensor of a request."""

    name: str
    shape: list[int]
    parameters: Parameters


class Head(msgspec.Struct):
    """What a request begins with."""

    inputs: list[Input]


decode_head = msgspec.json.Decoder(Head).decode


def vector(index: int) -> list[float]:
    """The embedding of a request's text number `index`, of any length; 32 bits hold each number exactly."""
    numbers = random.Random(index)
    return [numbers.randrange(-1000, 1000) / 1024 for _ in range(DIMENSIONS)]


def score(index: int) -> float:
    """The raw score of a request's document number `index`: each is better than the one before."""
    return index / 8 - 1


def infer_answer(model: str, body: bytes, head_bytes: int) -> bytes:
    """The HTTP answer to a request whose first `head_bytes` are JSON. Raises `ValueError` for what Triton refuses."""
    try:
        inputs = {tensor.name: tensor for tensor in decode_head(body[:head_bytes]).inputs}
    except msgspec.MsgspecError as error:
        raise ValueError(f"failed to parse the request JSON buffer: {error}") from error
    if inputs.keys() != TENSORS[model][0].keys():
        raise ValueError(f"expected the inputs {', '.join(TENSORS[model][0])}")
    if head_bytes + sum(tensor.parameters.binary_data_size for tensor in inputs.values()) != len(body):
        raise ValueError("unexpected additional input data")
    return whole_answer(model, inputs[ITEMS[model]].shape[0])


@cache
def whole_answer(model: str, count: int) -> bytes:
    """The HTTP answer about so many items."""
    tokens = struct.pack(f"<{count}i", *[INPUT_TOKENS] * count)
    if model == EMBED_MODEL:
        numbers = [number for index in range(count) for number in vector(index)]
        tensors = [("EMBEDDING", "FP32", [count, DIMENSIONS], struct.pack(f"<{len(numbers)}f", *numbers))]
        tensors.append(("TOKENS", "INT32", [count, 1], tokens))
    else:
        tensors = [("SCORES", "FP32", [count], struct.pack(f"<{count}f", *map(score, range(count))))]
        tensors.append(("TOKENS", "INT32", [count], tokens))
    head, body = with_head({"model_name": model, "model_version": "1"}, "outputs", tensors)
    lengths = f"Content-Length: {len(body)}\r\n{HEADER}: {head}\r\n\r\n"
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n" + lengths.encode() + body


def with_head(
    content: dict[str, Any], kind: str, tensors: Sequence[tuple[str, str, list[int], bytes]]
) -> tuple[int, bytes]:
    """A body of tensors (name, type, shape, bytes) behind their JSON, and the length of that."""
    listed = [
        {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(data)}}
        for name, datatype, shape, data in tensors
    ]
    head = json.dumps(content | {kind: listed}, separators=(",", ":")).encode()
    return len(head), head + b"".join(data for *_, data in tensors)


def infer_request(model: str, texts: dict[str, list[str]]) -> tuple[int, bytes]:
    """A request with these texts in each input, and the length of its head."""
    tensors = []
    for name, lines in texts.items():
        data = b"".join(struct.pack("<I", len(line.encode())) + line.encode() for line in lines)
        tensors.append((name, "BYTES", [len(lines), 1] if MAX_BATCH[model] else [len(lines)], data))
    outputs = [{"name": name, "parameters": {"binary_data": True}} for name in TENSORS[model][1]]
    return with_head({"outputs": outputs}, "inputs", tensors)


def tensor_config(model: str) -> dict[str, Any]:
    """Triton's `/config` of a model, as far as a gateway can care."""
    kinds = {"BYTES": "TYPE_STRING", "FP32": "TYPE_FP32", "INT32": "TYPE_INT32"}
    inputs, outputs = (
        [{"name": name, "data_type": kinds[datatype], "dims": dims} for name, (datatype, dims) in tensors.items()]
        for tensors in TENSORS[model]
    )
    return {
        "name": model,
        "backend": "python",
        "max_batch_size": MAX_BATCH[model],
        "input": inputs,
        "output": outputs,
        "model_transaction_policy": {"decoupled": False},
    }
