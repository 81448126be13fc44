"""Each way in which an engine fails has a class, for operators; what is no failure has none."""

import httpx
import pytest

from accounts.errors import ApiError
from inference.backends.triton_errors import backend_error, status_error, unavailable
from inference.errors import BackendFailed, BackendTimeout, BackendUnavailable, EngineRefused, InvalidRequest
from inference.failures import BUSY, Reason, failure_of, may_have_broken

DEAD = "Error generating stream: EngineCore encountered an issue. See stack trace (above) for the root cause."


@pytest.mark.parametrize(
    ("text", "began", "kind", "reason"),
    [
        ("Stub process 'demo_0_0' is not healthy.", False, BackendUnavailable, Reason.ENGINE_DOWN),
        ("Stub process 'demo_0_0' is not healthy.", True, BackendFailed, Reason.ENGINE_DOWN),
        ("Model is unavailable due to unhealthy vLLM engine", False, BackendUnavailable, Reason.ENGINE_DOWN),
        (DEAD, False, BackendFailed, Reason.ENGINE_DOWN),
        (DEAD, True, BackendFailed, Reason.ENGINE_DOWN),
        ("Error generating stream: Background loop has errored already.", False, BackendFailed, Reason.ENGINE_DOWN),
        (f"Error generating stream: the text {DEAD}", False, EngineRefused, None),
        ("Error generating stream: Stub process is not healthy", False, EngineRefused, None),
        ("[request id: x] Exceeds maximum queue size", False, BackendUnavailable, BUSY),
        ("[request id: x] Request timeout expired", False, BackendUnavailable, BUSY),
        ("something else", False, BackendFailed, Reason.ENGINE_ERROR),
        ("Error generating stream: longer than the maximum model length of 10", False, InvalidRequest, None),
    ],
)
def test_an_error_text_of_triton_has_a_class(text, began, kind, reason):
    error = backend_error(text, began=began)
    assert isinstance(error, kind)
    assert failure_of(error) == reason


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, Reason.SECRET_REFUSED), (403, Reason.SECRET_REFUSED), (429, BUSY), (404, Reason.HTTP_ERROR)],
)
def test_a_status_that_is_not_tritons_has_a_class_and_reaches_no_client(status, reason):
    error = status_error(status)
    assert failure_of(error) == reason
    assert (error.status, error.code) == (503, "server_is_overloaded")
    assert "secret" not in error.message


def caused(error: ApiError, cause: Exception) -> ApiError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "reason", "broken"),
    [
        (caused(unavailable(), httpx.ConnectError("refused")), Reason.UNREACHABLE, False),
        (caused(unavailable(), httpx.ConnectTimeout("silence")), Reason.UNREACHABLE, False),
        (caused(unavailable(), httpx.RemoteProtocolError("closed")), Reason.CONNECTION_BROKEN, True),
        (caused(BackendFailed("broke off"), httpx.ReadError("reset")), Reason.CONNECTION_BROKEN, True),
        (BackendFailed("broke off"), Reason.ENGINE_ERROR, True),
        (BackendTimeout("slow"), Reason.TIMEOUT, True),
        (status_error(401), Reason.SECRET_REFUSED, False),
        (status_error(429), BUSY, False),
    ],
)
def test_a_broken_connection_is_told_from_none_and_from_what_the_request_may_have_done(error, reason, broken):
    assert failure_of(error) == reason
    assert may_have_broken(error) is broken
