"""The answers of `/v1/responses`: the whole object, and the events of a stream."""

from inference.api.answers.responses.events import ResponseEvent
from inference.api.answers.responses.response import InputTokens, Response

__all__ = ["InputTokens", "Response", "ResponseEvent"]
