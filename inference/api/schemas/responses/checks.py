"""From a body to a request that can be carried out: what decoding alone does not see is checked here."""

from inference.api.schemas import problems
from inference.api.schemas.decoding import decode
from inference.api.schemas.responses.fields import InputRequest, ResponsesRequest
from inference.errors import InvalidRequest


def decode_response(body: bytes) -> ResponsesRequest:
    """The request in a body. Raises InvalidRequest, whose `param` is the path of the first field found wrong."""
    request = decode(body, ResponsesRequest)
    _refuse_state(request)
    if request.background:
        message = (
            "Invalid value for 'background': a response in the background would have to be stored, and nothing is "
        )
        raise InvalidRequest(f"{message}(zero data retention).", param="background", code="unsupported_value")
    if request.moderation is not None:
        raise problems.unsupported("moderation")
    return request


def decode_input(body: bytes) -> InputRequest:
    """The same for a request that its input be counted."""
    request = decode(body, InputRequest)
    _refuse_state(request)
    return request


def _refuse_state(request: InputRequest) -> None:
    """Raises InvalidRequest for what goes on from something stored."""
    if request.previous_response_id is not None:
        message = (
            "Previous response cannot be used for this organization due to Zero Data Retention: responses are not "
            "stored. Send the whole conversation as 'input'."
        )
        raise InvalidRequest(message, param="previous_response_id", code="previous_response_not_found")
    for field in ("conversation", "prompt"):
        if getattr(request, field) is not None:
            message = f"Unsupported parameter: '{field}' names something stored, and nothing is (zero data retention)."
            raise InvalidRequest(message, param=field, code="unsupported_parameter")
