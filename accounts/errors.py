"""Errors that an API client sees. Raised anywhere, rendered at one edge (`inference.wire.errors`)."""


class ApiError(Exception):
    """An answer in place of a result: an HTTP status and OpenAI's error object.

    `message` reaches the client: it never holds a secret, an internal address or another tenant's data.
    """

    status = 500
    type = "server_error"
    code: str | None = None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        if code is not None:
            self.code = code
        self.headers = headers or {}


class KeyRefused(ApiError):
    """No key, a wrong one, or one that no longer works."""

    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"


class NotPermitted(ApiError):
    """A good key that may not do this."""

    status = 403
    type = "permission_error"
    code = "permission_denied"


class KeysUnavailable(ApiError):
    """A key that is not in the cache cannot be checked, since the database does not answer. Worth a retry."""

    status = 503
    type = "server_error"
    code = "authentication_unavailable"
