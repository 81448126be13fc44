"""What an answer's tensors mean by a map."""

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.backends.kserve import NoAnswerError, Received
from inference.backends.tensor_results import embeddings, normalized, pictures, results, scores
from inference.tensor_map import Embedding, Image, Score, parse_tensor_map
from inference.tensor_presets import PRESETS

PLAIN = Embedding("E", normalize=False)
NAN = float("nan")


def test_vectors_are_brought_to_length_1_unless_there_is_nothing():
    found = embeddings(np.array([[3, 4], [0, 0]], "<f4"), Embedding("E"), 2)
    assert found.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0]]
    assert found.dtype == np.float32


@pytest.mark.parametrize("shape", [(2, 3), (2, 1, 3), (2, 3, 1)])
def test_a_dimension_of_one_does_not_matter(shape):
    values = np.arange(6, dtype="<f4").reshape(shape)
    assert embeddings(values, PLAIN, 2).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_single_vector_may_come_without_its_batch():
    assert embeddings(np.arange(3, dtype="<f2"), PLAIN, 1).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("shape", [(3, 2), (2, 2, 3), (6,), (0, 3), (1, 6)])
def test_another_shape_is_no_embedding(shape):
    with pytest.raises(NoAnswerError):
        embeddings(np.zeros(shape, "<f4"), PLAIN, 2)


@pytest.mark.parametrize("wrong", [NAN, float("inf")])
def test_what_is_no_number_is_no_embedding(wrong):
    with pytest.raises(NoAnswerError):
        embeddings(np.array([[1, wrong]], "<f4"), Embedding("E"), 1)


@pytest.mark.parametrize(
    ("pooling", "expected"), [("mean", [[2, 3], [7, 8]]), ("cls", [[1, 2], [7, 8]]), ("last", [[3, 4], [7, 8]])]
)
def test_pooling_looks_at_the_text_alone(pooling, expected):
    # Texts of two tokens and of one: what the second is filled up with may be anything.
    states = np.array([[[1, 2], [3, 4]], [[7, 8], [NAN, 9]]], "<f4")
    found = embeddings(states, Embedding("E", pooling=pooling, normalize=False), 2, [2, 1])
    assert found.tolist() == expected


@pytest.mark.parametrize("shape", [(2, 2), (1, 2, 2), (2, 1, 2)])
def test_other_hidden_states_are_refused(shape):
    with pytest.raises(NoAnswerError):
        embeddings(np.zeros(shape, "<f4"), Embedding("E", pooling="mean"), 2, [2, 1])


@pytest.mark.parametrize(
    ("activation", "values", "expected"),
    [
        ("none", [[0.25], [0.5]], [0.25, 0.5]),
        ("sigmoid", [0, 800], [0.5, 1]),
        ("sigmoid", [-800, 0], [0, 0.5]),
        ("softmax", [[0, 0], [900, 0]], [0.5, 0]),
        ("softmax", [[0, 0, 0, 0], [0, 0, 0, 900]], [0.25, 1]),
    ],
)
def test_scores_are_activated(activation, values, expected):
    found = scores(np.array(values, "<f4"), Score("S", activation=activation), 2)
    assert found.tolist() == pytest.approx(expected)


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=8))
def test_a_sigmoid_keeps_the_order_and_the_bounds(values):
    found = scores(np.array(values, "<f4"), Score("S", activation="sigmoid"), len(values))
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found[np.argsort(np.array(values, "<f4"), kind="stable")]) >= 0).all()


@pytest.mark.parametrize(
    ("activation", "values"), [("none", [1]), ("none", [[1, 2], [3, 4]]), ("softmax", [1, 2]), ("none", [NAN, 1])]
)
def test_other_scores_are_refused(activation, values):
    with pytest.raises(NoAnswerError):
        scores(np.array(values, "<f4"), Score("S", activation=activation), 2)


@pytest.mark.parametrize(
    ("encoding", "values"),
    [
        ("hwc_uint8", np.array([[[255, 0, 128]]], "u1")),
        ("hwc_uint8", np.array([[[[255, 0, 128]]]], "u1")),
        ("chw_uint8", np.array([[[255]], [[0]], [[128]]], "u1")),
        ("hwc_float01", np.array([[[1.2, -0.1, 0.502]]], "<f4")),
        ("chw_float_pm1", np.array([[[1.0]], [[-1.5]], [[0.004]]], "<f2")),
    ],
)
def test_pixels_are_red_green_and_blue_by_rows(encoding, values):
    found = pictures(Received(values.shape, values), Image("I", encoding=encoding))
    assert found.dtype == np.uint8
    assert found.tolist() == [[[[255, 0, 128]]]]


def test_files_come_as_they_are():
    assert pictures(Received((1,), [b"\x89PNG"]), Image("I")) == [b"\x89PNG"]
    assert pictures(Received((2,), np.array([137, 80], "u1")), Image("I")) == [b"\x89P"]
    coded = [base64.b64encode(b"\x89PNG"), b"data:image/png;base64," + base64.b64encode(b"x")]
    assert pictures(Received((2,), coded), Image("I", encoding="base64")) == [b"\x89PNG", b"x"]


@pytest.mark.parametrize(
    ("encoding", "values"),
    [
        ("png_bytes", []),
        ("png_bytes", [b""]),
        ("png_bytes", np.zeros((1, 1, 3), "<f4")),
        ("base64", [b"no base64!"]),
        ("hwc_uint8", [b"\x89PNG"]),
        ("hwc_uint8", np.zeros((2, 2), "u1")),
        ("hwc_uint8", np.zeros((2, 2, 4), "u1")),
        ("hwc_uint8", np.zeros((2, 2, 3), "<f4")),
        ("hwc_float01", np.full((1, 1, 3), NAN, "<f4")),
    ],
)
def test_what_is_no_picture_is_refused(encoding, values):
    with pytest.raises(NoAnswerError):
        pictures(Received((), values), Image("I", encoding=encoding))


def test_results_are_by_role_and_counts_are_believable():
    tensor_map = parse_tensor_map(PRESETS["text-embedding"].tensor_map)
    vectors = Received((1, 2), np.ones((1, 2), "<f4"))

    def found(counts):
        tokens = Received((len(counts), 1), np.array(counts, "<i4").reshape(-1, 1))
        return results(tensor_map, {"EMBEDDING": vectors, "TOKENS": tokens}, 1, None)

    assert found([7])["tokens"].tolist() == [7]
    for counts in ([], [-1], [1, 2]):
        with pytest.raises(NoAnswerError):
            found(counts)
    for received in ({"EMBEDDING": vectors}, {"EMBEDDING": Received((1,), [b"x"])}):
        with pytest.raises(NoAnswerError):
            results(tensor_map, received, 1, None)


def test_normalizing_survives_the_largest_numbers():
    assert np.isfinite(normalized(np.array([[3e38, 3e38]], "<f4"))).all()
