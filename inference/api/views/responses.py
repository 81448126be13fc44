"""`POST /v1/responses`, and what else OpenAI has below it."""

from typing import NoReturn

from rest_framework.request import Request

from inference.api.base import ApiView, Result
from inference.api.descriptions.responses import (
    CANCEL_STORED,
    COUNT_INPUT_TOKENS,
    CREATE_RESPONSE,
    DELETE_STORED,
    GET_STORED,
    LIST_STORED_INPUT,
)
from inference.api.schemas.responses import decode_input, decode_response
from inference.errors import NotStored
from inference.large_requests import beside_the_loop, decoding_ms
from inference.pipeline.responses import count_input, response


class ResponsesView(ApiView):
    """Responses, streamed or whole; nothing is stored (OpenAI API reference, "Create a model response")."""

    scope = "responses"
    operations = {"POST": CREATE_RESPONSE}

    async def post(self, request: Request) -> Result:
        """Answers one request."""
        body = self.parsed()
        asked = await beside_the_loop(decoding_ms(len(body)), decode_response, body)
        return await response(asked, self.principal, self.arrival, body_bytes=len(body))


class InputTokensView(ApiView):
    """Counts the tokens of a request's input (OpenAI API reference, "Get input token counts")."""

    scope = "responses"
    operations = {"POST": COUNT_INPUT_TOKENS}

    async def post(self, request: Request) -> Result:
        """The number of tokens."""
        body = self.parsed()
        asked = await beside_the_loop(decoding_ms(len(body)), decode_input, body)
        return await count_input(asked, self.principal, body_bytes=len(body))


class StoredView(ApiView):
    """What OpenAI answers of stored responses: there are none."""

    scope = "responses"
    # It is no endpoint that anybody would want to know of.
    listed = False

    @staticmethod
    def _nothing() -> NoReturn:
        raise NotStored("Response with this id not found: responses are not stored (zero data retention).")


class StoredResponseView(StoredView):
    """One stored response."""

    operations = {"GET": GET_STORED, "DELETE": DELETE_STORED}

    async def get(self, request: Request, response_id: str) -> Result:
        """Raises `NotStored`."""
        self._nothing()

    async def delete(self, request: Request, response_id: str) -> Result:
        """Raises `NotStored`."""
        self._nothing()


class CancelStoredView(StoredView):
    """Cancelling a response in the background."""

    operations = {"POST": CANCEL_STORED}

    async def post(self, request: Request, response_id: str) -> Result:
        """Raises `NotStored`."""
        self._nothing()


class StoredInputView(StoredView):
    """The input of a stored response."""

    operations = {"GET": LIST_STORED_INPUT}

    async def get(self, request: Request, response_id: str) -> Result:
        """Raises `NotStored`."""
        self._nothing()
