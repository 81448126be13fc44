"""The way of a request, step by step: start reading here, then in `chat`.

decode (api.schemas) → admit (admission) → render and count (text, chat_template, tokenization) → route (attempts,
routing) → backend (backends) ═ typed events ═ parse (parsing, tool_calling, parsers) ═ check (structure) ═ gather
(choices) ═ meter (meter, billing.metering) → encode (wire). Each step over the events is an async generator; closing
the last one closes them all, down to the engine.
"""

from inference.pipeline.answer import EVENT_STREAM, Answer, Arrival, arrive
from inference.pipeline.chat import chat_completion

__all__ = ["EVENT_STREAM", "Answer", "Arrival", "arrive", "chat_completion"]
