"""Responses as they leave us: the events of a stream, or one body."""

from inference.wire.responses.envelope import input_tokens_object
from inference.wire.responses.stream import Description, ResponseEncoder

__all__ = ["Description", "ResponseEncoder", "input_tokens_object"]
