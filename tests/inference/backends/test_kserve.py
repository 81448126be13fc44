"""KServe's binary tensors, as bytes."""

import contextlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.backends.kserve import NoAnswerError, Sent, bytes_elements, read_answer, request_parts


def answer(*outputs: tuple[str, str, list[int], bytes], sizes: dict[str, int] | None = None) -> tuple[bytes, int]:
    """A body with these outputs, and the length of its JSON; `sizes` lies about theirs."""
    head = {
        "model_name": "m",
        "outputs": [
            {
                "name": name,
                "datatype": datatype,
                "shape": shape,
                "parameters": {"binary_data_size": (sizes or {}).get(name, len(data))},
            }
            for name, datatype, shape, data in outputs
        ],
    }
    text = json.dumps(head).encode()
    return text + b"".join(data for *_, data in outputs), len(text)


def test_a_request_is_json_and_then_tensors():
    body, length = request_parts(
        [Sent("TEXT", "BYTES", (2, 1), bytes_elements([b"ab", b""])), Sent("n", "INT32", (1,), b"\x05\0\0\0")], ["OUT"]
    )
    assert json.loads(body[:length]) == {
        "inputs": [
            {"name": "TEXT", "shape": [2, 1], "datatype": "BYTES", "parameters": {"binary_data_size": 10}},
            {"name": "n", "shape": [1], "datatype": "INT32", "parameters": {"binary_data_size": 4}},
        ],
        "outputs": [{"name": "OUT", "parameters": {"binary_data": True}}],
    }
    assert body[length:] == b"\x02\0\0\0ab\0\0\0\0\x05\0\0\0"


def test_numbers_come_in_their_shape():
    found = read_answer(
        *answer(("a", "FP32", [2, 2], struct.pack("<4f", 1, 2, 3, 4)), ("b", "INT64", [1], b"\x07" + b"\0" * 7))
    )
    assert found["a"].values.tolist() == [[1, 2], [3, 4]]
    assert found["b"].values.tolist() == [7]


def test_half_floats_of_either_kind_are_read():
    halves = np.array([1.5, -2], "<f2").tobytes()
    upper = np.array([1.5, -2], "<f4").view("<u4") >> 16
    found = read_answer(*answer(("a", "FP16", [2], halves), ("b", "BF16", [2], upper.astype("<u2").tobytes())))
    assert found["a"].values.tolist() == found["b"].values.tolist() == [1.5, -2]


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_texts_come_back_as_they_were(texts):
    found = read_answer(*answer(("a", "BYTES", [len(texts)], bytes_elements(texts))))
    assert found["a"].values == texts


@pytest.mark.parametrize(
    ("outputs", "sizes"),
    [
        # Shorter than it says, longer than its shape, another number of elements, cut off, of no known type.
        ([("a", "FP32", [2], b"\0" * 8)], {"a": 12}),
        ([("a", "FP32", [2], b"\0" * 12)], None),
        ([("a", "FP32", [-1], b"")], None),
        ([("a", "BYTES", [2], bytes_elements([b"x"]))], None),
        ([("a", "BYTES", [1], b"\x05\0\0\0abc")], None),
        ([("a", "BYTES", [1], b"\x05\0")], None),
        ([("a", "COMPLEX", [1], b"\0" * 8)], None),
        ([("a", "FP32", [1], b"\0" * 4)], {"a": -4}),
    ],
)
def test_what_is_no_answer_is_refused(outputs, sizes):
    with pytest.raises(NoAnswerError):
        read_answer(*answer(*outputs, sizes=sizes))


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'{"outputs":[{"name":"a"}]}', b'{"outputs":"\xff"}'])
def test_what_is_no_json_of_ours_is_refused_without_its_words(body):
    with pytest.raises(NoAnswerError) as refused:
        read_answer(body, len(body))
    assert refused.value.__cause__ is None
    assert "html" not in str(refused.value)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_at_all_break_it(body, length):
    with contextlib.suppress(NoAnswerError):
        read_answer(body, length)
