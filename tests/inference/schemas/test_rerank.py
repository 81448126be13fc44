"""Rerank requests: what is understood of the bodies of many clients."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.api.schemas.rerank import decode_rerank
from inference.errors import InvalidRequest


def decoded(*, returns_documents=True, **fields):
    """What a body asks for."""
    body = {"model": "m", "query": "q", "documents": ["a", "b"], **fields}
    return decode_rerank(json.dumps(body).encode(), returns_documents=returns_documents)[1]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (True, True),
        (False, False),
        ("true", True),
        ("True", True),
        ("false", False),
        ("0", False),
        (1, True),
        (0, False),
    ],
)
@pytest.mark.parametrize("default", [True, False])
def test_booleans_come_in_many_forms(given, wanted, default):
    found = decoded(return_documents=given, returns_documents=default)
    assert (found.returned is not None) == wanted


@pytest.mark.parametrize("given", [None, ""])
@pytest.mark.parametrize("default", [True, False])
def test_without_a_word_the_form_decides(given, default):
    assert (decoded(return_documents=given, returns_documents=default).returned is not None) == default


@given(st.integers(0, 10) | st.none())
def test_none_and_0_mean_all(top_n):
    assert decoded(top_n=top_n).top_n == (top_n or 2)


def test_documents_are_texts_or_objects_with_one():
    found = decoded(documents=["a", {"text": "b", "id": 7}], query={"text": "who?"})
    assert (found.query, found.documents) == ("who?", ("a", "b"))
    assert found.returned == ({"text": "a"}, {"text": "b", "id": 7})


def test_rank_fields_are_read_one_after_the_other():
    document = {"title": "T", "text": "b", "year": 1999}
    found = decoded(documents=[document, {"title": "only"}], rank_fields=["title", "text", "year"])
    assert found.documents == ("T\nb", "only")
    assert found.returned == (document, {"text": "only", "title": "only"})
    # What is none is ignored, as all that the forms know beside what matters.
    assert decoded(rank_fields="title", max_tokens_per_doc="many", truncation=1).documents == ("a", "b")


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"query": None}, "invalid_type", "query"),
        ({"query": {"text": ""}}, "empty_string", "query"),
        ({"query": {"image": "x"}}, "unsupported_parameter", "query.image"),
        ({"documents": [1]}, "invalid_type", "documents[0]"),
        ({"documents": [{"text": 1}]}, "invalid_type", "documents[0].text"),
        ({"documents": [{}]}, "missing_required_parameter", "documents[0].text"),
        ({"return_documents": 2}, "invalid_type", "return_documents"),
        ({"top_n": "3"}, "invalid_type", "top_n"),
    ],
)
def test_what_is_wrong_is_named(fields, code, param):
    with pytest.raises(InvalidRequest) as refused:
        decoded(**fields)
    assert (refused.value.code, refused.value.param) == (code, param)


def test_the_operator_bounds_the_documents(settings):
    settings.RERANK_DOCUMENTS = 1
    with pytest.raises(InvalidRequest) as refused:
        decoded()
    assert refused.value.code == "array_above_max_length"
