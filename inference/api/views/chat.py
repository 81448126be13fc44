"""`POST /v1/chat/completions`."""

from rest_framework.request import Request

from inference.api.base import ApiView, Result
from inference.api.descriptions.chat import CREATE_CHAT_COMPLETION
from inference.api.schemas.chat import decode_chat
from inference.large_requests import beside_the_loop, decoding_ms
from inference.pipeline import chat_completion


class ChatCompletionsView(ApiView):
    """Chat, streamed or whole (OpenAI API reference, "Create chat completion")."""

    scope = "chat"
    operations = {"POST": CREATE_CHAT_COMPLETION}

    async def post(self, request: Request) -> Result:
        """Answers one chat request."""
        body = self.parsed()
        chat = await beside_the_loop(decoding_ms(len(body)), decode_chat, body)
        return await chat_completion(chat, self.principal, self.arrival, body_bytes=len(body))
