"""`POST /v1/chat/completions`."""

from rest_framework.request import Request

from inference.api.base import ApiView, Result
from inference.api.schemas.chat import decode_chat
from inference.pipeline import chat_completion


class ChatCompletionsView(ApiView):
    """Chat, streamed or whole (OpenAI API reference, "Create chat completion")."""

    scope = "chat"

    async def post(self, request: Request) -> Result:
        """Answers one chat request."""
        return self.respond(await chat_completion(decode_chat(self.parsed()), self.principal, self.arrival))
