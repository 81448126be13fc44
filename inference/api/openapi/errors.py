"""The answers with errors, by status."""

from typing import Any

from inference.api.openapi.operation import ALWAYS, KEYED, MODEL, WITH_BODY, Operation

# Status: what it means, and the codes that it comes with (None: `code` is null).
ERRORS: dict[int, tuple[str, tuple[str | None, ...]]] = {
    400: (
        "The request cannot be carried out as it stands; `param` is the path of the field that is wrong.",
        (
            None,
            "missing_required_parameter",
            "invalid_type",
            "invalid_value",
            "unsupported_parameter",
            "unsupported_value",
            "integer_above_max_value",
            "integer_below_min_value",
            "decimal_above_max_value",
            "decimal_below_min_value",
            "empty_array",
            "empty_string",
            "array_above_max_length",
            "string_above_max_length",
            "object_above_max_properties",
            "context_length_exceeded",
            "max_tokens_per_request",
            "previous_response_not_found",
            "invalid_function_parameters",
            "chat_template_error",
            "fim_template_error",
            "invalid_image_url",
            "failed_to_download_image",
            "invalid_image_format",
            "image_parse_error",
            "empty_image_file",
            "image_file_too_large",
            "image_too_large",
            "too_many_images",
            "malformed_request",
            "invalid_host",
        ),
    ),
    401: ("No key, a wrong one, or one that no longer works.", ("invalid_api_key", "token_expired")),
    403: (
        "A good key that may not do this.",
        (
            "permission_denied",
            "missing_scope",
            "model_not_allowed",
            "address_not_allowed",
            "organization_suspended",
            "organization_closed",
            "api_key_required",
        ),
    ),
    404: ("There is no such thing, or not for this key.", ("model_not_found", "unknown_url")),
    405: ("This URL takes other methods; the header `allow` names them.", ("method_not_supported",)),
    408: ("The request did not arrive in time.", ("request_timeout",)),
    413: ("The body is larger than the operator allows.", ("request_too_large",)),
    415: ("The body is of a type that this URL does not take.", ("unsupported_content_type",)),
    429: ("Too much at once; the header `retry-after` says when to try again.", ("rate_limit_exceeded",)),
    431: ("More headers than any client needs.", ("request_headers_too_large",)),
    500: ("Our own fault.", (None,)),
    502: (
        "The engine broke off or answered with nonsense, or the model did not keep to what was asked of it.",
        ("backend_error", "invalid_structured_output", "tool_call_missing", "invalid_tool_arguments"),
    ),
    503: (
        "Not now: engines are full or away, or this server restarts. The header `retry-after` says when to try again.",
        ("server_is_overloaded", "server_shutting_down", "authentication_unavailable", "metering_unavailable"),
    ),
    504: ("The model did not answer in time.", ("backend_timeout",)),
}
TYPES = {401: "invalid_request_error", 403: "permission_error", 429: "requests"}
HEADERS = {401: ("WWW-Authenticate",), 405: ("Allow",), 429: ("Retry-After",), 503: ("Retry-After",)}


def statuses(operation: Operation, *, keyed: bool) -> list[int]:
    """Those of the errors that an operation may answer with."""
    found = ALWAYS | operation.errors
    if keyed:
        found |= KEYED
    if operation.request is not None or operation.form is not None:
        found |= WITH_BODY
    if operation.of_model:
        found |= MODEL
    return sorted(found)


def response_name(status: int) -> str:
    """What the document calls the answer with this status."""
    return f"Error{status}"


def error_response(status: int) -> dict[str, Any]:
    """The answer with this status, for `components.responses`."""
    meaning, codes = ERRORS[status]
    error_type = TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    named = ", ".join(f"`{code}`" for code in codes if code)
    example = {"message": meaning.partition(";")[0], "type": error_type, "param": None, "code": codes[0]}
    names = ("X-Request-Id", *HEADERS.get(status, ()))
    return {
        "description": f"{meaning} Codes: {named}." if named else meaning,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/ErrorAnswer"},
                "example": {"error": example},
            }
        },
    }
