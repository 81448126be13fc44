"""What a client is told when something goes wrong."""

import json

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, TooManyFieldsSent
from django.http import Http404
from rest_framework import exceptions as drf

from accounts.errors import KeyRefused
from inference.errors import InvalidRequest
from inference.wire.errors import error_body, error_frame, from_exception


def test_an_error_has_all_four_keys() -> None:
    error = InvalidRequest("No.", param="messages[0]", code="invalid_value")
    assert json.loads(error_body(error)) == {
        "error": {"message": "No.", "type": "invalid_request_error", "param": "messages[0]", "code": "invalid_value"}
    }
    bare = json.loads(error_body(InvalidRequest("No.")))["error"]
    assert bare == {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}


def test_an_error_in_a_stream_is_an_event_of_one_line() -> None:
    error = InvalidRequest("Two\nlines.")
    assert error_frame(error) == b"data: " + error_body(error) + b"\n\n"
    assert error_frame(error).count(b"\n") == 2


def test_our_own_errors_stay_what_they_are() -> None:
    error = KeyRefused("No.")
    assert from_exception(error) is error


@pytest.mark.parametrize(
    ("exception", "status", "kind", "code"),
    [
        (drf.NotAuthenticated("canary"), 401, "invalid_request_error", "invalid_api_key"),
        (drf.AuthenticationFailed("canary"), 401, "invalid_request_error", "invalid_api_key"),
        (drf.PermissionDenied("canary"), 403, "permission_error", "permission_denied"),
        (PermissionDenied("canary"), 403, "permission_error", "permission_denied"),
        (drf.NotFound("canary"), 404, "invalid_request_error", "unknown_url"),
        (Http404("canary"), 404, "invalid_request_error", "unknown_url"),
        (drf.MethodNotAllowed("canary"), 405, "invalid_request_error", "method_not_supported"),
        (drf.NotAcceptable("canary"), 406, "invalid_request_error", None),
        (RequestDataTooBig("canary"), 413, "invalid_request_error", "request_too_large"),
        (drf.UnsupportedMediaType("canary"), 415, "invalid_request_error", "unsupported_content_type"),
        (TooManyFieldsSent("canary"), 400, "invalid_request_error", None),
        (drf.ParseError("canary"), 400, "invalid_request_error", None),
        (drf.ValidationError("canary"), 400, "invalid_request_error", None),
        (drf.Throttled(wait=3), 429, "requests", "rate_limit_exceeded"),
        (TimeoutError("canary"), 504, "server_error", "backend_timeout"),
        (drf.APIException("canary"), 500, "server_error", None),
        (ValueError("canary"), 500, "server_error", None),
        (RecursionError("canary"), 500, "server_error", None),
    ],
)
def test_any_other_exception_is_told_without_its_text(
    exception: Exception, status: int, kind: str, code: str | None
) -> None:
    error = from_exception(exception)
    assert (error.status, error.type, error.code) == (status, kind, code)
    assert error.message
    assert b"canary" not in error_body(error)


def test_a_throttled_client_learns_when_to_come_back() -> None:
    assert from_exception(drf.Throttled(wait=2.2)).headers == {"Retry-After": "3"}
    assert from_exception(drf.Throttled()).headers == {}


def test_a_status_without_a_name_is_told_too() -> None:
    odd = drf.APIException("canary")
    odd.status_code = 499
    assert (from_exception(odd).status, from_exception(odd).message) == (499, "Bad Request.")


def test_an_unexpected_failure_is_told_in_openais_words() -> None:
    assert from_exception(OSError("x")).message == "The server had an error while processing your request."
