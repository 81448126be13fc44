"""What is wrong with a request, in OpenAI's words; none repeats a value that the client sent.

Texts and codes follow the errors that OpenAI's API is seen to answer with. Where OpenAI quotes the offending value
we name what would be right instead: a value may be content, and content leaves no trace.
"""

from collections.abc import Iterable

from inference.errors import InvalidRequest

MALFORMED = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library "
    "correctly. The API expects a JSON payload, but what was sent was not a valid JSON object in UTF-8.)"
)


def malformed_body() -> InvalidRequest:
    """The body is no JSON object."""
    return InvalidRequest(MALFORMED)


def too_deep() -> InvalidRequest:
    """The body is nested deeper than any honest request."""
    return InvalidRequest("The JSON body of your request is nested too deeply.")


def missing(param: str) -> InvalidRequest:
    """A required field is absent."""
    return InvalidRequest(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def unsupported(param: str) -> InvalidRequest:
    """A field that is known, and would change the answer, but that is not offered."""
    message = f"Unsupported parameter: '{param}' is not supported with this model."
    return InvalidRequest(message, param=param, code="unsupported_parameter")


def wrong_type(param: str, expected: str, got: str) -> InvalidRequest:
    """A field of another JSON type; `expected` and `got` are phrases such as "an array"."""
    message = f"Invalid type for '{param}': expected {expected}, but got {got} instead."
    return InvalidRequest(message, param=param, code="invalid_type")


def wrong_value(param: str, supported: Iterable[str]) -> InvalidRequest:
    """A field that takes one of a few values, and has another."""
    listed = ", ".join(f"'{value}'" for value in supported)
    hint = f" Supported values are: {listed}." if listed else ""
    return invalid_value(param, f"Invalid value for '{param}'.{hint}")


def invalid_value(param: str, message: str) -> InvalidRequest:
    """Any other value that cannot be taken; `message` is for the client."""
    return InvalidRequest(message, param=param, code="invalid_value")


def out_of_bounds(param: str, kind: str, operator: str, bound: str) -> InvalidRequest:
    """A number beyond its bound; `kind` is "integer" or "decimal"."""
    above = operator.startswith("<")
    message = f"Invalid '{param}': {kind} {'above maximum' if above else 'below minimum'} value. "
    code = f"{kind}_above_max_value" if above else f"{kind}_below_min_value"
    return InvalidRequest(f"{message}Expected a value {operator} {bound}.", param=param, code=code)


def wrong_length(param: str, kind: str, operator: str, bound: int) -> InvalidRequest:
    """A string, array or object of a length beyond its bound; `kind` is msgspec's name of the type."""
    if kind == "object":
        noun, unit, code = "object", f"at most {bound} properties", "object_above_max_properties"
        problem = "too many properties"
    elif operator.startswith("<"):
        noun, unit, code = kind, f"maximum length {bound}", f"{kind}_above_max_length"
        problem = f"{kind} too long"
    elif bound == 1:
        noun, unit, code, problem = kind, "minimum length 1", f"empty_{kind}", f"empty {kind}"
    else:
        noun, unit, code = kind, f"minimum length {bound}", f"{kind}_below_min_length"
        problem = f"{kind} too short"
    article = "a" if noun == "string" else "an"
    return InvalidRequest(
        f"Invalid '{param}': {problem}. Expected {article} {noun} with {unit}.", param=param, code=code
    )
