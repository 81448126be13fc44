"""`POST /v1/embeddings`."""

from rest_framework.request import Request

from inference.api.base import ApiView, Result
from inference.api.descriptions.vectors import CREATE_EMBEDDINGS
from inference.api.schemas.embeddings import decode_embeddings
from inference.large_requests import beside_the_loop, decoding_ms
from inference.pipeline.embeddings import embeddings


class EmbeddingsView(ApiView):
    """Vectors of texts (OpenAI API reference, "Create embeddings")."""

    scope = "embeddings"
    operations = {"POST": CREATE_EMBEDDINGS}

    async def post(self, request: Request) -> Result:
        """Answers one request."""
        body = self.parsed()
        wanted, inputs = await beside_the_loop(decoding_ms(len(body)), decode_embeddings, body)
        return await embeddings(wanted, inputs, self.principal, self.arrival)
