"""The operator's map: what is understood, what is refused, and what Triton says to it."""

import copy

import pytest

from inference.backends.tensor_contract import tensor_misfits
from inference.tensor_map import TensorMapError, parse_tensor_map
from inference.tensor_presets import PRESETS
from inference.trial_values import trial_values

EMBEDDING = PRESETS["text-embedding"].tensor_map
TEXT = EMBEDDING["inputs"][0]
# As Triton 2.51 answers for the demo's embedding model.
CONFIG = {
    "max_batch_size": 64,
    "input": [{"name": "TEXT", "data_type": "TYPE_STRING", "dims": [1], "optional": False}],
    "output": [
        {"name": "EMBEDDING", "data_type": "TYPE_FP32", "dims": [256]},
        {"name": "TOKENS", "data_type": "TYPE_INT32", "dims": [1]},
    ],
}


def changed(**fields):
    """The map with other fields of its one input."""
    return {**EMBEDDING, "inputs": [{**TEXT, **fields}]}


def misfits(tensor_map=EMBEDDING, **config):
    """What Triton's configuration, so changed, says to a map."""
    return tensor_misfits(parse_tensor_map(tensor_map), {**copy.deepcopy(CONFIG), **config})


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_map_that_can_be_tried_out(name):
    tensor_map = parse_tensor_map(PRESETS[name].tensor_map)
    capability = {"E": "embeddings", "R": "rerank", "I": "images"}[PRESETS[name].title[0]]
    assert tensor_map.serves(capability)
    assert trial_values(tensor_map)


@pytest.mark.parametrize(
    ("tensor_map", "word"),
    [
        ({}, "inputs"),
        ([], "object"),
        ({**EMBEDDING, "input": []}, "input"),
        ({**EMBEDDING, "outputs": {}}, "output"),
        ({**EMBEDDING, "max_batch": 0}, "max_batch"),
        ({**EMBEDDING, "inputs": [TEXT, TEXT]}, "twice"),
        (changed(source="text"), "source"),
        (changed(dtype="STRING"), "dtype"),
        (changed(shape=[]), "shape"),
        (changed(shape=["X"]), "shape"),
        (changed(shape=["B", "N"]), "B and N"),
        (changed(shape=["B", "L"]), "token ids"),
        (changed(encode="json"), "json"),
        (changed(dtype="INT32", encode="base64"), "base64"),
        (changed(source={"input": "text"}), "json"),
        (changed(source="input_ids"), "shape"),
        ({**EMBEDDING, "outputs": {"embedding": {"tensor": "E", "pooling": "mean"}}}, "Pooling"),
    ],
)
def test_what_makes_no_sense_is_said(tensor_map, word):
    with pytest.raises(TensorMapError, match=word):
        parse_tensor_map(tensor_map)


def test_a_map_that_fits_has_no_misfits():
    assert misfits() == []
    assert misfits({**EMBEDDING, "max_batch": 64}) == []


@pytest.mark.parametrize(
    ("tensor_map", "config", "word"),
    [
        (changed(tensor="text"), {}, "no input text; it has TEXT"),
        (changed(dtype="FP32"), {}, "TYPE_STRING, not TYPE_FP32"),
        (changed(shape=["B"]), {}, "[batch, 1] in Triton, and [B] in the map"),
        (changed(shape=["B", 2]), {}, "[batch, 1] in Triton, and [B, 2] in the map"),
        (changed(shape=["N", 1]), {}, "begins with the batch"),
        (changed(optional=True), {}, "requires the input TEXT"),
        ({**EMBEDDING, "max_batch": 65}, {}, "at most 64"),
        (EMBEDDING, {"max_batch_size": 0}, "[1] in Triton, and [B, 1] in the map"),
        (EMBEDDING, {"model_transaction_policy": {"decoupled": True}}, "decoupled"),
        (EMBEDDING, {"output": CONFIG["output"][:1]}, "no output TOKENS; it has EMBEDDING"),
        (
            EMBEDDING,
            {"output": [{**CONFIG["output"][0], "data_type": "TYPE_STRING"}, CONFIG["output"][1]]},
            "not TYPE_FP",
        ),
        (
            EMBEDDING,
            {"input": [*CONFIG["input"], {"name": "LANG", "data_type": "TYPE_STRING", "dims": [1]}]},
            "requires the input LANG, which the map does not have",
        ),
    ],
)
def test_what_does_not_fit_triton_is_named(tensor_map, config, word):
    assert any(word in sentence for sentence in misfits(tensor_map, **config))


def test_all_inputs_of_a_batch_have_as_many_rows():
    rows = PRESETS["query-document-rows"].tensor_map
    inputs = [{"name": name, "data_type": "TYPE_STRING", "dims": [1]} for name in ("QUERY", "DOCUMENT")]
    config = {"input": inputs, "output": [{"name": "SCORE", "data_type": "TYPE_FP32", "dims": [1]}]}
    assert misfits(rows, **config) == []
    query, document = rows["inputs"]
    (found,) = misfits({**rows, "inputs": [{**query, "shape": [1, 1]}, document]}, **config)
    assert "B, or 1" in found


def test_an_optional_input_need_not_be_in_the_map():
    extra = {"name": "LANG", "data_type": "TYPE_STRING", "dims": [1], "optional": True}
    assert misfits(input=[*CONFIG["input"], extra]) == []


def test_what_is_tried_out_may_be_the_operators_own():
    tensor_map = parse_tensor_map({**PRESETS["prompt-files"].tensor_map, "probe": {"width": 512, "steps": 4}})
    values = trial_values(tensor_map)
    assert (values["width"], values["height"], values["steps"]) == ([512], [256], [4])
    assert "image" not in values
