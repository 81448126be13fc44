"""Why a deployment failed: a few classes for operators and logs, never an engine's text, which may hold a prompt."""

import httpx
from django.db.models import TextChoices

from accounts.errors import ApiError
from inference.errors import BackendFailed, BackendTimeout, BackendUnavailable, EngineRefused

# No failure: the engine's own queue is full.
BUSY = "busy"


class Reason(TextChoices):
    """What is wrong, in an operator's words."""

    UNREACHABLE = "unreachable", "nothing answers at its address"
    SECRET_REFUSED = "secret_refused", "it refuses our secret"
    HTTP_ERROR = "http_error", "what answers is not Triton"
    CONNECTION_BROKEN = "connection_broken", "it breaks connections off"
    ENGINE_DOWN = "engine_down", "Triton is there, the model is not"
    TIMEOUT = "timeout", "it does not answer in time"
    ENGINE_ERROR = "engine_error", "it answers with errors or nonsense"


# With these the engine never had the request.
_UNTOUCHED = frozenset({BUSY, Reason.UNREACHABLE, Reason.SECRET_REFUSED})
# A request may bring these about in an engine that works: whether it does, a probe finds out at once.
EXCUSABLE = frozenset({Reason.TIMEOUT, Reason.ENGINE_ERROR})
# A request that breaks engines shall not break all of them: it is not tried again after so many.
MOST_BROKEN = 3


def failure_of(error: ApiError) -> str | None:
    """The `Reason` of a request's error, `BUSY`, or None where it says nothing about the deployment."""
    if isinstance(error, EngineRefused):
        return None
    if isinstance(error, BackendTimeout):
        return None if error.overlong else Reason.TIMEOUT
    if isinstance(error, BackendUnavailable):
        if error.reason:
            return error.reason
        unreachable = isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout)
        return Reason.UNREACHABLE if unreachable else Reason.CONNECTION_BROKEN
    if isinstance(error, BackendFailed):
        broken = isinstance(error.__cause__, httpx.TransportError)
        return error.reason or (Reason.CONNECTION_BROKEN if broken else Reason.ENGINE_ERROR)
    return None


def may_have_broken(error: ApiError) -> bool:
    """Whether the request itself may be what broke the engine."""
    return failure_of(error) not in _UNTOUCHED
