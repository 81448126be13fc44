"""`POST /v1/completions`."""

from rest_framework.request import Request

from inference.api.base import ApiView, Result
from inference.api.descriptions.completions import CREATE_COMPLETION
from inference.api.schemas.completions import decode_completion
from inference.large_requests import beside_the_loop, decoding_ms
from inference.pipeline.completions import text_completion


class CompletionsView(ApiView):
    """Texts that are gone on with, streamed or whole (OpenAI API reference, "Create completion")."""

    scope = "completions"
    operations = {"POST": CREATE_COMPLETION}

    async def post(self, request: Request) -> Result:
        """Answers one request."""
        body = self.parsed()
        completion = await beside_the_loop(decoding_ms(len(body)), decode_completion, body)
        return await text_completion(completion, self.principal, self.arrival)
