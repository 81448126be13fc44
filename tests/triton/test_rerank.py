"""demo-rerank: a document that answers the query stands above one that does not."""

import numpy as np
import pytest

from inference.embedded_triton import EmbeddedTriton
from tests.triton.tensors import infer, outputs, text


def scores(triton: EmbeddedTriton, query: str, *documents: str) -> np.ndarray:
    found = outputs(infer(triton, "demo-rerank", text("QUERY", query), text("DOCUMENTS", *documents)))
    return np.asarray(found["SCORES"])


@pytest.mark.parametrize(
    ("query", "documents"),
    [
        (
            "Where is the harbour of Hamburg?",
            ("Hamburg has a large harbour on the Elbe.", "The harbour opens at six.", "Bananas are yellow."),
        ),
        (
            "Wie kündige ich meinen Vertrag?",
            ("Den Vertrag kündigen Sie schriftlich.", "Ein Vertrag gilt zwei Jahre.", "Bananen sind gelb."),
        ),
    ],
)
def test_documents_are_ranked_by_how_much_of_the_query_they_answer(
    triton: EmbeddedTriton, query: str, documents: tuple[str, ...]
) -> None:
    best, second, worst = scores(triton, query, *documents)
    assert best > second > worst
    assert worst == -4.0
    assert scores(triton, query, *reversed(documents)).tolist() == [worst, second, best]


def test_a_rare_word_counts_more_than_a_common_one(triton: EmbeddedTriton) -> None:
    found = scores(triton, "blue whale", "a blue car", "a blue door", "a blue shirt", "a grey whale")
    assert found.argmax() == 3


def test_one_document_has_a_score_too(triton: EmbeddedTriton) -> None:
    assert scores(triton, "harbour", "the harbour")[0] > 0 > scores(triton, "harbour", "")[0]


def test_tokens_are_those_of_query_and_document(triton: EmbeddedTriton) -> None:
    counts = outputs(infer(triton, "demo-rerank", text("QUERY", "harbour"), text("DOCUMENTS", "a", "a b c")))["TOKENS"]
    alone = outputs(infer(triton, "demo-embed", text("TEXT", "harbour", "a", "a b c", shape=[3, 1])))["TOKENS"]
    query, one, other = np.asarray(alone).reshape(-1).tolist()
    assert np.asarray(counts).tolist() == [query + one, query + other]


def test_directives_spoil_the_scores(triton: EmbeddedTriton) -> None:
    assert np.isnan(scores(triton, "[[nan]]harbour", "a", "b")[0])
    assert scores(triton, "harbour", "[[short]]a", "b").shape == (1,)
    assert infer(triton, "demo-rerank", text("QUERY", "x"), text("DOCUMENTS", "[[fail]]")).status_code == 500
