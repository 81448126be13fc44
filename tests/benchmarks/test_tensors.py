"""The engine of the benchmark speaks the protocol that the gateway does."""

import json
import struct

import numpy as np
import pytest

from benchmarks.tensors import (
    DIMENSIONS,
    EMBED_MODEL,
    HEADER,
    INPUT_TOKENS,
    RERANK_MODEL,
    infer_answer,
    infer_request,
    score,
    tensor_config,
    vector,
)
from inference.backends.kserve import read_answer
from inference.backends.tensor_contract import tensor_misfits
from inference.backends.triton_tensors import infer_request as gateways_request
from inference.tensor_map import parse_tensor_map
from inference.tensor_presets import PRESETS

MAPS = {EMBED_MODEL: PRESETS["text-embedding"], RERANK_MODEL: PRESETS["query-documents"]}
TEXTS = {
    EMBED_MODEL: ({"TEXT": ["ä", "bc"]}, {"input": ["ä", "bc"]}),
    RERANK_MODEL: ({"QUERY": ["q"], "DOCUMENTS": ["ä", "bc"]}, {"query": ["q"], "documents": ["ä", "bc"]}),
}


def answered(model: str, head: int, body: bytes) -> dict[str, np.ndarray]:
    """The tensors of the engine's answer, as the gateway reads it."""
    lines, _, content = infer_answer(model, body, head).partition(b"\r\n\r\n")
    headers = dict(line.split(": ") for line in lines.decode().split("\r\n")[1:])
    assert int(headers["Content-Length"]) == len(content)
    return {name: tensor.values for name, tensor in read_answer(content, int(headers[HEADER])).items()}


@pytest.mark.parametrize("model", MAPS)
def test_the_engine_tells_what_it_takes(model):
    assert tensor_misfits(parse_tensor_map(MAPS[model].tensor_map), tensor_config(model)) == []


@pytest.mark.parametrize("model", MAPS)
def test_load_and_gateway_ask_for_the_same(model):
    lines, values = TEXTS[model]
    head, body = infer_request(model, lines)
    theirs, their_head = gateways_request(parse_tensor_map(MAPS[model].tensor_map), values, 2)
    assert body[head:] == theirs[their_head:]
    inputs = [json.loads(content[:length])["inputs"] for content, length in ((body, head), (theirs, their_head))]
    assert inputs[0] == inputs[1]
    ours, gateways = answered(model, head, body), answered(model, their_head, theirs)
    assert ours.keys() == gateways.keys()
    assert ours["TOKENS"].tolist() == gateways["TOKENS"].tolist()
    assert np.ravel(ours["TOKENS"]).tolist() == [INPUT_TOKENS] * 2


def test_the_engine_says_what_it_is_held_to():
    embedded = answered(EMBED_MODEL, *infer_request(EMBED_MODEL, {"TEXT": ["a", "b"]}))["EMBEDDING"]
    assert embedded.shape == (2, DIMENSIONS)
    assert embedded.tolist() == [vector(0), vector(1)]
    ranked = answered(RERANK_MODEL, *infer_request(RERANK_MODEL, {"QUERY": ["q"], "DOCUMENTS": ["a", "b"]}))
    assert ranked["SCORES"].tolist() == [score(0), score(1)]


@pytest.mark.parametrize("spoilt", [lambda body: b"{" + body[1:10], lambda body: body + b"x", lambda body: body[:-1]])
def test_the_engine_refuses_what_triton_would(spoilt):
    head, body = infer_request(EMBED_MODEL, {"TEXT": ["a"]})
    with pytest.raises(ValueError):
        infer_answer(EMBED_MODEL, spoilt(body), head)
    with pytest.raises(ValueError, match="DOCUMENTS"):
        infer_answer(RERANK_MODEL, body, head)


def test_vectors_survive_32_bits():
    numbers = vector(3)
    assert list(struct.unpack(f"<{DIMENSIONS}f", struct.pack(f"<{DIMENSIONS}f", *numbers))) == numbers
