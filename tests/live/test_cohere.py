"""Cohere's own client ranks documents through the whole stack, by both of its forms."""

from collections.abc import Iterator
from typing import Any

import cohere
import httpx
import pytest
from cohere import RerankResponse, V2RerankResponse
from cohere.errors import BadRequestError, NotFoundError, UnauthorizedError

from tests.live.test_rerank import BEST_FIRST, DOCUMENTS, MODEL, QUERY
from tests.stack import Server, Stack

pytestmark = pytest.mark.live

ASKED: dict[str, Any] = {"model": MODEL, "query": QUERY, "documents": DOCUMENTS}
OBJECTS = [{"text": text, "page": str(number)} for number, text in enumerate(DOCUMENTS)]


@pytest.fixture
def first_form(server: Server, stack: Stack) -> Iterator[cohere.Client]:
    """The client that most integrations still use; it puts /v1/rerank behind the root."""
    with httpx.Client(timeout=60) as http:
        yield cohere.Client(stack.api_key, base_url=server.url, httpx_client=http, max_retries=0)


@pytest.fixture
def second_form(server: Server, stack: Stack) -> Iterator[cohere.ClientV2]:
    """The newer one, with /v2/rerank."""
    with httpx.Client(timeout=60) as http:
        yield cohere.ClientV2(stack.api_key, base_url=server.url, httpx_client=http, max_retries=0)


def indexes(answer: RerankResponse | V2RerankResponse) -> list[int]:
    """Which documents came, best first; their scores are in order and between 0 and 1."""
    scores = [one.relevance_score for one in answer.results]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    return [one.index for one in answer.results]


def test_the_first_form_gives_documents_back(first_form: cohere.Client) -> None:
    answer = first_form.rerank(**ASKED, return_documents=True)
    # The client itself checks nothing.
    RerankResponse.model_validate(answer.dict(), strict=True)
    assert indexes(answer) == BEST_FIRST
    assert [one.document.text for one in answer.results if one.document] == [DOCUMENTS[index] for index in BEST_FIRST]
    assert answer.id
    assert answer.meta
    assert answer.meta.api_version
    assert answer.meta.api_version.version == "1"
    assert answer.meta.billed_units
    assert answer.meta.billed_units.search_units == 1


def test_documents_may_be_objects(first_form: cohere.Client) -> None:
    answer = first_form.rerank(**ASKED | {"documents": OBJECTS}, return_documents=True, top_n=2)
    assert indexes(answer) == BEST_FIRST[:2]
    assert [one.document.dict() for one in answer.results if one.document] == [
        OBJECTS[index] for index in BEST_FIRST[:2]
    ]
    titles = [{"title": text} for text in DOCUMENTS]
    asked = ASKED | {"documents": titles}
    answer = first_form.rerank(**asked, rank_fields=["title"], return_documents=False, max_chunks_per_doc=10)
    assert indexes(answer) == BEST_FIRST
    assert [one.document for one in answer.results] == [None] * 3


def test_the_second_form_gives_places_and_scores(second_form: cohere.ClientV2) -> None:
    answer = second_form.rerank(**ASKED, top_n=2, max_tokens_per_doc=4096, priority=1)
    V2RerankResponse.model_validate(answer.dict(), strict=True)
    assert indexes(answer) == BEST_FIRST[:2]
    assert answer.meta
    assert answer.meta.api_version
    assert answer.meta.api_version.version == "2"
    raw = second_form.with_raw_response.rerank(**ASKED)
    assert raw.data.id == raw.headers["x-request-id"]


async def test_the_async_clients_do_too(server: Server, stack: Stack) -> None:
    async with httpx.AsyncClient(timeout=60) as http:
        asked: dict[str, Any] = {"base_url": server.url, "httpx_client": http, "max_retries": 0}
        assert indexes(await cohere.AsyncClient(stack.api_key, **asked).rerank(**ASKED)) == BEST_FIRST
        assert indexes(await cohere.AsyncClientV2(stack.api_key, **asked).rerank(**ASKED)) == BEST_FIRST


def test_errors_are_its_own(first_form: cohere.Client, second_form: cohere.ClientV2, server: Server) -> None:
    for client in (first_form, second_form):
        with pytest.raises(BadRequestError) as refused:
            client.rerank(**ASKED | {"documents": []})
        assert refused.value.body["error"]["param"] == "documents"
        with pytest.raises(NotFoundError) as missing:
            client.rerank(**ASKED | {"model": "demo-rernak"})
        assert "Did you mean `demo-rerank`" in missing.value.body["error"]["message"]
    with httpx.Client(timeout=60) as http:
        for kind in (cohere.Client, cohere.ClientV2):
            with pytest.raises(UnauthorizedError):
                kind("sk-hanse-wrong", base_url=server.url, httpx_client=http, max_retries=0).rerank(**ASKED)
