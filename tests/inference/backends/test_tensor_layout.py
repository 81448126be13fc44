"""A request's values as tensors."""

import json
import struct

import pytest

from inference.backends.kserve import bytes_elements
from inference.backends.tensor_layout import MissingValueError, laid_out
from inference.tensor_map import parse_tensor_map
from inference.tensor_presets import PRESETS


def mapped(*inputs):
    """A map with these inputs."""
    return parse_tensor_map({"inputs": list(inputs), "outputs": {"score": {"tensor": "S"}}})


def preset(name):
    """A preset's map."""
    return parse_tensor_map(PRESETS[name].tensor_map)


def sent(tensor_map, values, batch=1):
    """What is sent, by name: shape and data."""
    return {tensor.name: (tensor.shape, tensor.data) for tensor in laid_out(tensor_map, values, batch)}


def test_texts_are_rows():
    assert sent(preset("text-embedding"), {"input": ["a", "ü"]}, 2) == {
        "TEXT": ((2, 1), bytes_elements([b"a", "ü".encode()]))
    }


def test_one_query_goes_with_all_documents():
    values = {"query": ["q"], "documents": ["a", "b"]}
    assert sent(preset("query-documents"), values, 2) == {
        "QUERY": ((1,), bytes_elements([b"q"])),
        "DOCUMENTS": ((2,), bytes_elements([b"a", b"b"])),
    }


def test_the_query_stands_in_every_row():
    values = {"query": ["q"], "documents": ["a", "b"]}
    assert sent(preset("query-document-rows"), values, 2) == {
        "QUERY": ((2, 1), bytes_elements([b"q", b"q"])),
        "DOCUMENT": ((2, 1), bytes_elements([b"a", b"b"])),
    }
    assert sent(preset("pairs"), values, 2) == {"INPUT_PAIRS": ((2, 2), bytes_elements([b"q", b"a", b"q", b"b"]))}


def test_token_ids_are_filled_up_to_the_longest():
    ids = {"dtype": "INT32", "shape": ["B", "L"]}
    found = sent(
        mapped(
            {"tensor": "i", "source": "input_ids", "pad": 9, **ids},
            {"tensor": "m", "source": "attention_mask", **ids},
            {"tensor": "t", "source": "token_type_ids", **ids},
        ),
        {"input_ids": [[5], [6, 7]], "token_type_ids": [[0], [0, 1]]},
        2,
    )
    assert found == {
        "i": ((2, 2), struct.pack("<4i", 5, 9, 6, 7)),
        "m": ((2, 2), struct.pack("<4i", 1, 0, 1, 1)),
        "t": ((2, 2), struct.pack("<4i", 0, 0, 0, 1)),
    }


def test_what_is_optional_is_left_out():
    values = {"prompt": ["p"], "width": [64], "height": [32], "seed": [7], "image": [b"\x89PNG", b"\xff"]}
    found = sent(preset("prompt-files"), values)
    assert set(found) == {"prompt", "width", "height", "seed", "image"}
    assert found["width"] == ((1,), struct.pack("<i", 64))
    assert found["seed"] == ((1,), struct.pack("<q", 7))
    assert found["image"] == ((2,), bytes_elements([b"\x89PNG", b"\xff"]))


def test_arguments_are_json_and_files_base64():
    found = sent(preset("prompt-arguments"), {"prompt": ["p"], "steps": [4], "seed": [1], "image": [b"\xff"]})
    assert json.loads(found["gen_args"][1][4:]) == {"num_inference_steps": 4, "seed": 1}
    assert found["image"] == ((1,), bytes_elements([b"/w=="]))


def test_what_is_missing_has_a_default_or_is_an_error():
    steps = {"tensor": "steps", "dtype": "FP32", "shape": [1, 1], "source": "steps"}
    assert sent(mapped({**steps, "default": 30}), {}) == {"steps": ((1, 1), struct.pack("<f", 30))}
    with pytest.raises(MissingValueError):
        sent(mapped(steps), {})
