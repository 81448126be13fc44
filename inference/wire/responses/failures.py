"""The code of a response that failed, chosen by what agents do with it.

Codex asks again, five times, after `server_error` and `rate_limit_exceeded`, and after codes that it does not know. It
stops at once after the others below, and shortens the conversation after `context_length_exceeded`.
"""

from accounts.errors import ApiError
from inference.errors import BackendTimeout

# Ours for which OpenAI has the same, or one that means it.
CODES = {
    "context_length_exceeded": "context_length_exceeded",
    "insufficient_quota": "insufficient_quota",
    "rate_limit_exceeded": "rate_limit_exceeded",
    # Whoever asks again at once makes it worse.
    "server_is_overloaded": "server_is_overloaded",
    # The model did not keep to what was asked of it, and hardly would the next time.
    "invalid_structured_output": "invalid_prompt",
    "tool_call_missing": "invalid_prompt",
    "invalid_tool_arguments": "invalid_prompt",
}
AGAIN = "server_error"
NEVER = "invalid_prompt"


def failure_code(error: ApiError) -> str:
    """The `code` of a failed response's error."""
    known = CODES.get(error.code or "")
    if known is not None:
        return known
    # What the request itself is to blame for, and an answer that took all the time there is, would come to the same.
    if error.status < 500 or (isinstance(error, BackendTimeout) and error.overlong):
        return NEVER
    return AGAIN
