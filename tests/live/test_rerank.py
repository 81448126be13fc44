"""Rerank through the whole stack, with the bodies of the clients of Jina and of both forms of Cohere."""

import pytest

from tests.live.asking import call, check, check_headers
from tests.live.test_usage import record

pytestmark = pytest.mark.live

MODEL = "demo-rerank"
PATHS = ("/v1/rerank", "/rerank", "/v2/rerank", "/v1/v2/rerank")
QUERY = "Which ships lie in the harbour?"
DOCUMENTS = [
    "Invoices are due within 14 days.",
    "Two ships lie in the harbour of Hamburg.",
    "The harbour is closed in winter.",
]
BEST_FIRST = [1, 2, 0]


def rerank(server, stack, path="/v1/rerank", **fields):
    """The answer to one request."""
    body = {"model": MODEL, "query": QUERY, "documents": DOCUMENTS, **fields}
    answer = call(server, stack.api_key, path=path, json=body)
    assert answer.status_code == 200, answer.text
    check_headers(answer)
    return answer


@pytest.mark.parametrize("path", PATHS)
def test_documents_come_best_first_wherever_clients_look_for_it(server, stack, path):
    body = rerank(server, stack, path).json()
    assert [one["index"] for one in body["results"]] == BEST_FIRST
    scores = [one["relevance_score"] for one in body["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert (body["object"], body["model"]) == ("list", MODEL)
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] > 0
    assert body["meta"]["billed_units"] == {"search_units": 1}
    # Jina's form returns documents, Cohere's second does not; absent, never null.
    assert [one.get("document") for one in body["results"]] == (
        [None] * 3 if "v2" in path else [{"text": DOCUMENTS[index]} for index in BEST_FIRST]
    )
    assert all(("document" in one) == ("v2" not in path) for one in body["results"])


def test_a_request_is_billed_by_document_and_token(server, stack):
    answer = rerank(server, stack)
    row = record(server, stack, answer.headers["x-request-id"])
    assert (row["endpoint"], row["outcome"], row["token_source"]) == ("rerank", "completed", "reported")
    assert row["documents"] == 3
    assert row["input_tokens"] == answer.json()["usage"]["total_tokens"]
    assert row["cost_nano"] == row["input_tokens"] * 150 + 3 * 2_000


@pytest.mark.parametrize(
    ("fields", "indexes", "shown"),
    [
        # Dify, LlamaIndex, vLLM's default, more than there are.
        ({"top_n": None}, BEST_FIRST, True),
        ({"top_n": 2}, BEST_FIRST[:2], True),
        ({"top_n": 0}, BEST_FIRST, True),
        ({"top_n": 50}, BEST_FIRST, True),
        # RAGFlow and Xinference, Cohere.
        ({"return_documents": "true"}, BEST_FIRST, True),
        ({"return_documents": "False"}, BEST_FIRST, False),
        ({"return_documents": False, "max_chunks_per_doc": 10, "priority": 1}, BEST_FIRST, False),
        ({"documents": [{"text": text} for text in DOCUMENTS]}, BEST_FIRST, True),
        ({"query": {"text": QUERY}, "truncation": True}, BEST_FIRST, True),
        ({"documents": [{"title": text} for text in DOCUMENTS], "rank_fields": ["title"]}, BEST_FIRST, True),
    ],
)
def test_what_clients_send_is_understood(uvicorn, stack, fields, indexes, shown):
    results = rerank(uvicorn, stack, **fields).json()["results"]
    assert [one["index"] for one in results] == indexes
    assert [one.get("document", {}).get("text") for one in results] == [
        DOCUMENTS[index] if shown else None for index in indexes
    ]


def test_equal_documents_keep_their_order(uvicorn, stack):
    results = rerank(uvicorn, stack, documents=["one", "two", "three"]).json()["results"]
    assert [one["index"] for one in results] == [0, 1, 2]


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"documents": []}, "empty_array", "documents"),
        ({"documents": ["a"] * 1001}, "array_above_max_length", "documents"),
        ({"documents": ["a", {"title": "b"}]}, "missing_required_parameter", "documents[1].text"),
        (
            {"documents": ["a", {"image": "https://a.example/b"}]},
            "unsupported_parameter",
            "documents[1].image",
        ),
        ({"documents": ["a", "word " * 9000]}, "context_length_exceeded", "documents[1]"),
        ({"query": ""}, "empty_string", "query"),
        ({"top_n": -1}, "integer_below_min_value", "top_n"),
        ({"return_documents": "perhaps"}, "invalid_type", "return_documents"),
    ],
)
def test_what_cannot_be_ranked_is_refused(uvicorn, stack, fields, code, param):
    body = {"model": MODEL, "query": QUERY, "documents": DOCUMENTS, **fields}
    check(call(uvicorn, stack.api_key, path="/v1/rerank", json=body), 400, "invalid_request_error", code, param)


def test_no_key_ranks_nothing_outside_v1_either(server):
    body = {"model": MODEL, "query": QUERY, "documents": DOCUMENTS}
    for path in PATHS:
        check(call(server, None, path=path, json=body), 401, "invalid_request_error", "invalid_api_key")
