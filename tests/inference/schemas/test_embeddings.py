"""Embedding requests: what is understood of a body."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.api.schemas.embeddings import decode_embeddings
from inference.errors import InvalidRequest

texts = st.text(min_size=1, max_size=20)
ids = st.lists(st.integers(0, 10**6), min_size=1, max_size=20)


def decoded(value, **fields):
    """What an input is understood as."""
    return decode_embeddings(json.dumps({"model": "m", "input": value, **fields}).encode())[1]


@given(texts)
def test_a_text_is_one_input(text):
    found = decoded(text)
    assert (found.texts, found.token_ids, found.param(0)) == ((text,), (), "input")


@given(st.lists(texts, min_size=1, max_size=5))
def test_texts_are_as_many_inputs(many):
    found = decoded(many)
    assert (found.texts, found.token_ids, found.param(1)) == (tuple(many), (), "input[1]")


@given(ids, st.lists(ids, min_size=1, max_size=5))
def test_token_ids_are_of_one_text_or_of_several(one, several):
    assert decoded(one).token_ids == (one,)
    assert decoded(one).param(0) == "input"
    assert decoded(several).token_ids == tuple(several)
    assert decoded(several).texts == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_whatever_else_it_is_is_refused_by_its_place(value):
    found: Any
    try:
        found = decoded(value)
    except InvalidRequest as error:
        found = error
    if isinstance(found, InvalidRequest):
        assert found.status == 400
        assert (found.param or "").startswith("input")
    else:
        assert bool(found.texts) != bool(found.token_ids)
        assert all(found.texts or found.token_ids)


def test_what_is_null_is_absent_and_what_is_unknown_does_not_matter():
    assert decoded("a", encoding_format=None, dimensions=None, user=None, task="retrieval").texts == ("a",)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"dimensions": 0}, "integer_below_min_value", "dimensions"),
        ({"encoding_format": "binary"}, "invalid_value", "encoding_format"),
        ({"input": [1, -1]}, "integer_below_min_value", "input[1]"),
        ({"input": [[1], []]}, "empty_array", "input[1]"),
        ({"input": [[1], "a"]}, "invalid_type", "input[1]"),
        ({"input": [1, "a"]}, "invalid_type", "input[1]"),
    ],
)
def test_what_is_wrong_is_named(fields, code, param):
    with pytest.raises(InvalidRequest) as refused:
        decoded(**{"value": "a", **fields} if "input" not in fields else {"value": fields["input"]})
    assert (refused.value.code, refused.value.param) == (code, param)
