"""What Triton's error texts mean. The texts themselves may hold a prompt: they are neither logged nor passed on.

Every error of the generate extension comes as 400 (server/src/http_server.cc frees the error before mapping its code),
so the status says nothing and the message is what there is. Errors of `/infer` come with a status of their own.
"""

from accounts.errors import ApiError
from inference.errors import BackendFailed, BackendUnavailable, ContextLengthExceeded, EngineRefused, InvalidRequest
from inference.failures import BUSY, Reason

# Nothing was generated and another deployment may do better.
_DOWN = (
    "is not healthy",  # a dead Python stub, which Triton still reports as READY
    "unhealthy vllm engine",
    "request for unknown model",
    "is not ready",
    "model version not ready",
    "not found",
    "server is not in a ready state",
    "is at this moment unavailable",
    "unavailable",
)
# Triton's queue policy (ModelQueuePolicy in model_config.proto): the engine works, and has enough to do.
_BUSY = ("exceeds maximum queue size", "request timeout expired")
_TOO_LONG = ("maximum context length", "maximum model length", "longer than the maximum")
FAILED = "The model failed to answer. Please try again."
_VOCABULARY = ("out-of-vocab", "out of vocabulary")
# Texts of the vLLM backend begin so; what follows comes from the engine and may quote the request.
_FROM_ENGINE = "error generating stream"
# vLLM's EngineDeadError and MQEngineDeadError (vllm/v1/engine/exceptions.py and its predecessors), which nothing but a
# restart heals. Only as the beginning, where no request can put its words.
_ENGINE_DEAD = tuple(
    f"{_FROM_ENGINE}: {text}"
    for text in (
        "enginecore encountered an issue",
        "engine loop is not running",
        "background loop has errored",
        "background loop is stopped",
    )
)
# Statuses of whatever stands before Triton, or of its restricted API.
_SECRET_REFUSED = frozenset({401, 403})
_TOO_MANY = 429
# The codes of TritonError on /infer.
_INVALID, _NOT_FOUND, _INTERNAL, _UNSUPPORTED, _UNAVAILABLE = 400, 404, 500, 501, 503
_STUB_DEAD = ("is not healthy",)
_NOT_READY = ("request for unknown model", "model version not ready")


def backend_error(text: str, *, began: bool) -> ApiError:
    """The error for Triton's `text`; after the engine has begun to answer none is safe to try elsewhere."""
    lowered = text.lower()
    if not began and any(part in lowered for part in _TOO_LONG):
        return ContextLengthExceeded("The prompt is longer than this model's maximum context length.", param="messages")
    if not began and any(part in lowered for part in _VOCABULARY):
        return InvalidRequest("A token id is not in this model's vocabulary.", param="logit_bias", code="invalid_value")
    if lowered.startswith(_ENGINE_DEAD):
        return failed(Reason.ENGINE_DOWN)
    if lowered.startswith(_FROM_ENGINE):
        return EngineRefused(FAILED)
    if not began and any(part in lowered for part in _BUSY):
        return unavailable(BUSY)
    if any(part in lowered for part in _DOWN):
        return failed(Reason.ENGINE_DOWN) if began else unavailable(Reason.ENGINE_DOWN)
    return failed(Reason.ENGINE_ERROR)


def infer_error(status: int, text: str) -> ApiError:
    """The error for Triton's `text` to a call of `/infer`, whose `status` is that of its code."""
    lowered = text.lower()
    if status == _UNAVAILABLE:
        return unavailable(BUSY if any(part in lowered for part in _BUSY) else Reason.ENGINE_DOWN)
    if status == _NOT_FOUND or (status == _INTERNAL and any(part in lowered for part in _STUB_DEAD)):
        return unavailable(Reason.ENGINE_DOWN)
    if status == _INVALID:
        # Also what is only not ready comes so, in Triton's own words and nobody else's.
        if lowered.startswith(_NOT_READY):
            return unavailable(Reason.ENGINE_DOWN)
        if any(part in lowered for part in _TOO_LONG):
            return ContextLengthExceeded("The input is longer than this model's maximum context length.", param="input")
        return EngineRefused(FAILED)
    if status in (_INTERNAL, _UNSUPPORTED):
        return failed(Reason.ENGINE_ERROR)
    return status_error(status)


def status_error(status: int) -> BackendUnavailable:
    """The error for an HTTP `status` that Triton's generate extension never answers with: nothing was generated."""
    if status in _SECRET_REFUSED:
        return unavailable(Reason.SECRET_REFUSED)
    return unavailable(BUSY if status == _TOO_MANY else Reason.HTTP_ERROR)


def failed(reason: str) -> BackendFailed:
    """The engine answered with an error."""
    error = BackendFailed(FAILED)
    error.reason = reason
    return error


def unavailable(reason: str | None = None) -> BackendUnavailable:
    """The engine cannot take the request now; without a `reason`, the exception behind it tells."""
    error = BackendUnavailable(
        "The model is at its capacity at the moment. Please try again."
        if reason == BUSY
        else "The model is temporarily unavailable. Please try again.",
        headers={"retry-after": "1"},
    )
    error.reason = reason
    return error
