"""The body of `POST /v1/chat/completions`.

Every field of OpenAI's request works, is accepted because it changes nothing in the answer, or is refused by name;
fields that nobody knows are accepted, since clients send them on every turn. null means absent. Audio, files, custom
tools and what `tools` has replaced (`functions`) are refused.
"""

from inference.api.schemas.chat.checks import decode_chat
from inference.api.schemas.chat.fields import ChatRequest
from inference.api.schemas.chat.meaning import conversation_of, conversion_ms
from inference.api.schemas.sampling import wants_usage

__all__ = ["ChatRequest", "conversation_of", "conversion_ms", "decode_chat", "wants_usage"]
