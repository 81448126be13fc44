"""`POST /v1/rerank`, step by step."""

from typing import Any

import numpy as np
from django.conf import settings

from accounts.principals import Principal
from inference.api.schemas.rerank import Ranking, RerankRequest
from inference.large_requests import beside_the_loop
from inference.pipeline.answer import Answer, Arrival
from inference.pipeline.text_work import TextWork
from inference.pipeline.work import accounted, admitted, batches, side_by_side
from inference.text_sizes import sizes_of
from inference.wire.rerank import Ranked, encoding_ms, rerank_body


async def rerank(
    request: RerankRequest, ranking: Ranking, principal: Principal, arrival: Arrival, *, version: str
) -> Answer:
    """Answers a request; raises `ApiError`. `version`: of Cohere's API, which its clients read.

    Documents go to engines with their query, in batches where the model takes only so many.
    """
    asked = await admitted(principal, arrival, request.model, capability="rerank", endpoint="rerank")
    offer = asked.offer
    query, documents = ranking.query, ranking.documents
    # Each document is read with the query: so many tokens are worked on, and so many are on the bill.
    texts = [(query, document) for document in documents]
    total = settings.RERANK_DOCUMENTS * offer.context_length
    sizes = await sizes_of(texts, offer, total=total, param=_document)
    work = TextWork(asked, sizes, total=total, param=_document)

    async def call(part: slice) -> Any:
        values = {"query": [query], "documents": documents[part]}
        found = await work.call(part, values, documents=part.stop - part.start)
        return found["score"]

    async def answer() -> bytes:
        scores = np.concatenate(await side_by_side(batches(len(documents), offer), call, offer))
        # Of equal ones, the earlier document comes first.
        order = np.argsort(-scores, kind="stable")[: ranking.top_n].tolist()
        returned = ranking.returned
        ranked = [Ranked(index, float(scores[index]), None if returned is None else returned[index]) for index in order]
        return await beside_the_loop(
            encoding_ms(ranked, sum(map(len, documents)) if returned else 0),
            rerank_body,
            ranked,
            request_id=str(arrival.request_id),
            model=offer.model_id,
            tokens=work.tokens(),
            documents=len(documents),
            version=version,
        )

    return Answer(asked.headers, body=await accounted(answer(), work.meter))


def _document(index: int) -> str:
    return f"documents[{index}]"
