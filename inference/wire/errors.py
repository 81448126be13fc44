"""Errors as an API client sees them: OpenAI's object, and whatever happened behind it as one of ours."""

from http import HTTPStatus
from http.client import responses

import msgspec
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions as drf

from accounts.errors import ApiError, KeyRefused, NotPermitted
from inference.errors import (
    BackendTimeout,
    BodyTooLarge,
    InvalidRequest,
    MethodNotSupported,
    ServerError,
    UnknownRoute,
    UnsupportedContentType,
)
from inference.wire import sse

GENERIC = "The server had an error while processing your request."


def error_body(error: ApiError) -> bytes:
    """The JSON body of an error, all four keys always present."""
    fields = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    return msgspec.json.encode({"error": fields})


def error_frame(error: ApiError) -> bytes:
    """The event that tells of an error after the first byte; the stream ends with it."""
    return sse.frame(error_body(error))


def from_exception(exception: BaseException) -> ApiError:
    """What a client may learn about `exception`. The text of one that is not ours never reaches it."""
    if isinstance(exception, ApiError):
        return exception
    if isinstance(exception, drf.APIException):
        return _from_drf(exception)
    if isinstance(exception, Http404):
        return UnknownRoute("Invalid URL.")
    if isinstance(exception, PermissionDenied):
        return NotPermitted("You are not allowed to do this.")
    if isinstance(exception, RequestDataTooBig):
        return BodyTooLarge("The body of your request is too large.")
    if isinstance(exception, SuspiciousOperation):
        return InvalidRequest("Your request could not be read.")
    if isinstance(exception, TimeoutError):
        return BackendTimeout("The model did not answer in time.")
    return ServerError(GENERIC)


def _from_drf(exception: drf.APIException) -> ApiError:
    match exception:
        case drf.NotAuthenticated():
            return KeyRefused("You didn't provide an API key. Send it as 'Authorization: Bearer YOUR_KEY'.")
        case drf.AuthenticationFailed():
            return KeyRefused("Incorrect API key provided.")
        case drf.PermissionDenied():
            return NotPermitted("You are not allowed to do this.")
        case drf.NotFound():
            return UnknownRoute("Invalid URL.")
        case drf.MethodNotAllowed():
            return MethodNotSupported("This URL does not support this method.")
        case drf.UnsupportedMediaType():
            return UnsupportedContentType(
                "The body of your request must be JSON: send 'Content-Type: application/json'."
            )
        case drf.Throttled():
            return _throttled(exception)
    if exception.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        problem = InvalidRequest(f"{responses.get(exception.status_code, 'Bad Request')}.")
        problem.status = exception.status_code
        return problem
    return ServerError(GENERIC)


def _throttled(exception: drf.Throttled) -> ApiError:
    seconds = getattr(exception, "wait", None)
    headers = {} if seconds is None else {"Retry-After": str(seconds)}
    problem = ApiError("Rate limit reached.", code="rate_limit_exceeded", headers=headers)
    problem.status, problem.type = HTTPStatus.TOO_MANY_REQUESTS, "requests"
    return problem
