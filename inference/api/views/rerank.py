"""`POST /v1/rerank` and where else clients of Jina and Cohere look for it."""

from rest_framework.request import Request

from inference.api.base import ApiView, Result
from inference.api.descriptions.vectors import RERANK
from inference.api.schemas.rerank import decode_rerank
from inference.large_requests import beside_the_loop, decoding_ms
from inference.pipeline.rerank import rerank


class RerankView(ApiView):
    """Documents in the order of what they have to do with a query (Jina's form, and Cohere's first and second)."""

    scope = "rerank"
    version = "1"
    # Jina's default.
    returns_documents = True
    operations = {"POST": RERANK}

    async def post(self, request: Request) -> Result:
        """Answers one request."""
        body = self.parsed()
        wanted, ranking = await beside_the_loop(
            decoding_ms(len(body)), decode_rerank, body, returns_documents=self.returns_documents
        )
        return await rerank(wanted, ranking, self.principal, self.arrival, version=self.version)
