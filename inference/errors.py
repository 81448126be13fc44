"""Errors of the `/v1` API beyond those of keys; each says its HTTP status and OpenAI's type and code."""

from accounts.errors import ApiError


class InvalidRequest(ApiError):
    """The request cannot be carried out as it stands."""

    status = 400
    type = "invalid_request_error"


class UnknownRoute(InvalidRequest):
    """No such URL."""

    status = 404
    code = "unknown_url"


class NotStored(InvalidRequest):
    """It names something of an earlier request, of which nothing is kept."""

    status = 404


class MethodNotSupported(InvalidRequest):
    """The URL exists, with other methods; `headers` carries Allow."""

    status = 405
    code = "method_not_supported"


class BodyTooLarge(InvalidRequest):
    """More bytes than the operator allows."""

    status = 413
    code = "request_too_large"


class RequestTooSlow(InvalidRequest):
    """The client did not send its request in time."""

    status = 408
    code = "request_timeout"


class HeadersTooLarge(InvalidRequest):
    """More headers than any client needs."""

    status = 431
    code = "request_headers_too_large"


class MalformedRequest(InvalidRequest):
    """Not HTTP, or abuse of it."""

    code = "malformed_request"


class UnsupportedContentType(InvalidRequest):
    """Not JSON."""

    status = 415
    code = "unsupported_content_type"


class ModelNotFound(InvalidRequest):
    """No such model, or not for this organization: both look the same from outside."""

    status = 404
    code = "model_not_found"


class ContextLengthExceeded(InvalidRequest):
    """The prompt leaves no room for an answer."""

    code = "context_length_exceeded"


class ServerError(ApiError):
    """Our own fault."""

    status = 500
    type = "server_error"


class BackendFailed(ServerError):
    """The engine answered with an error or nonsense, or broke off. `reason`: see `inference.failures`."""

    status = 502
    code = "backend_error"
    reason: str | None = None


class AnswerUnfit(BackendFailed):
    """The engine has answered, and not as it was asked to. Says nothing about the deployment.

    What a client has been streamed by then is billed: else one could ask for forms that no answer has, and read for
    nothing.
    """


class ShuttingDown(ServerError):
    """This process ends before the answer does."""

    status = 503
    code = "server_shutting_down"


def shutting_down() -> ShuttingDown:
    """What the clients of a process that ends are told: another one, or the next, can serve them."""
    return ShuttingDown("The server is restarting. Please try again.", headers={"retry-after": "1"})


class EngineRefused(BackendFailed):
    """The engine could not carry out this request; others it may. Says nothing about the deployment."""


class BackendUnavailable(ServerError):
    """No engine could be reached, or all are full. Safe to try on another deployment: nothing was generated.

    `reason`: see `inference.failures`.
    """

    status = 503
    code = "server_is_overloaded"
    reason: str | None = None


class BackendTimeout(ServerError):
    """The engine did not answer in the model's time. `overlong`: it did, token by token, for longer than is allowed."""

    status = 504
    code = "backend_timeout"
    overlong = False
