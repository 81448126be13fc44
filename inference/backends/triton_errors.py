"""What Triton's error texts mean. The texts themselves may hold a prompt: they are neither logged nor passed on.

Every error of the generate extension comes as 400 (server/src/http_server.cc frees the error before mapping its code),
so the status says nothing and the message is what there is.
"""

from accounts.errors import ApiError
from inference.errors import BackendFailed, BackendUnavailable, ContextLengthExceeded, EngineRefused, InvalidRequest

# Nothing was generated and another deployment may do better.
_UNAVAILABLE = (
    "is not healthy",  # a dead Python stub, which Triton still reports as READY
    "unhealthy vllm engine",
    "exceeds maximum queue size",
    "request timeout expired",
    "request for unknown model",
    "is not ready",
    "model version not ready",
    "not found",
    "server is not in a ready state",
    "is at this moment unavailable",
    "unavailable",
)
_TOO_LONG = ("maximum context length", "maximum model length", "longer than the maximum")
FAILED = "The model failed to answer. Please try again."
_VOCABULARY = ("out-of-vocab", "out of vocabulary")


def backend_error(text: str, *, began: bool) -> ApiError:
    """The error for Triton's `text`; after the engine has begun to answer none is safe to try elsewhere."""
    lowered = text.lower()
    if not began and any(part in lowered for part in _TOO_LONG):
        return ContextLengthExceeded("The prompt is longer than this model's maximum context length.", param="messages")
    if not began and any(part in lowered for part in _VOCABULARY):
        return InvalidRequest("A token id is not in this model's vocabulary.", param="logit_bias", code="invalid_value")
    # Texts of the vLLM backend begin so; what follows comes from the engine and may quote the request.
    engine_refused = lowered.startswith("error generating stream")
    if engine_refused:
        return EngineRefused(FAILED)
    if not began and any(part in lowered for part in _UNAVAILABLE):
        return unavailable()
    return BackendFailed(FAILED)


def unavailable() -> BackendUnavailable:
    """The engine cannot take the request now."""
    return BackendUnavailable("The model is temporarily unavailable. Please try again.", headers={"retry-after": "1"})
