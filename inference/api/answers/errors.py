"""OpenAI's error object."""

from typing import Literal

from msgspec import Struct


class ErrorObject(Struct):
    """What is wrong, for people, and for programs."""

    message: str
    type: Literal["invalid_request_error", "permission_error", "server_error", "requests", "tokens"]
    param: str | None
    code: str | None


class ErrorAnswer(Struct):
    """The body of every answer that is no success."""

    error: ErrorObject
