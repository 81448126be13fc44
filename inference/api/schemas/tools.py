"""The functions that a request offers to the model: what chat completions and responses have in common."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from inference.api.schemas import problems
from inference.conversation import Tool, Tooling
from inference.errors import InvalidRequest
from inference.generation import Structure
from inference.json_schema import JsonSchema, check_guidable, check_schema
from inference.schema_extent import SchemaRefused

MOST_TOOLS = 128

ToolName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]+\Z", min_length=1, max_length=64)]


class Function(Struct, gc=False):
    """A function, as far as the field it stands in goes. Its `parameters` are checked by `tool_of`."""

    name: ToolName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


def tool_of(function: Function, path: str) -> Tool:
    """The tool that a function makes; `path` is that of its fields in the body, for example `tools[3].function`.

    Raises InvalidRequest for parameters that are no JSON Schema of an object, or cannot be taken as they are. May take
    long: see `inference.json_schema.CHECK_MS_PER_BYTE`.
    """
    parameters = function.parameters or {}
    strict = bool(function.strict)
    param = f"{path}.parameters"
    if parameters.get("type", "object") != "object":
        message = "schema must be a JSON Schema of 'type: \"object\"'"
        raise invalid_schema(param, message, code="invalid_function_parameters")
    try:
        if strict:
            JsonSchema(parameters)
            check_guidable(parameters)
        else:
            check_schema(parameters)
    except SchemaRefused as refused:
        problem = invalid_schema(param, str(refused), code="invalid_function_parameters")
    else:
        return Tool(function.name, function.description, {"type": "object", "properties": {}, **parameters}, strict)
    raise problem


def structure_of(schema: Mapping[str, Any] | None, param: str, *, strict: bool) -> Structure:
    """The form that an answer must have by the schema at `param`; None: any JSON object.

    Raises InvalidRequest for one that cannot be taken; `strict`: also for what guided decoding cannot hold to. May take
    long, as `tool_of`.
    """
    if schema is None:
        return Structure()
    try:
        JsonSchema(schema)
        if strict:
            check_guidable(schema)
    except SchemaRefused as refused:
        problem = invalid_schema(param, str(refused))
    else:
        return Structure(msgspec.json.encode(schema).decode())
    raise problem


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is; None: it is none."""
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def invalid_schema(param: str, problem: str, *, code: str = "invalid_json_schema") -> InvalidRequest:
    """The error for a JSON Schema at `param`; `problem` is for the client."""
    return InvalidRequest(f"Invalid schema for '{param}': {problem}.", param=param, code=code)


def tooling_of(
    tools: Sequence[Tool],
    *,
    paths: Sequence[str],
    mode: str | None = None,
    names: Mapping[str, str] | None = None,
    parallel: bool | None = None,
) -> Tooling | None:
    """What is offered, and what the model is to do with it; None: nothing is.

    `paths` are those of the tools' fields in the body. `mode` is `none`, `auto` (also None), `required` or `function`
    (the one that is named, once); `names`: the functions that it is about, each with its path in the body, where the
    choice names them. Raises InvalidRequest.
    """
    if len(tools) > MOST_TOOLS:
        raise problems.wrong_length("tools", "array", "<=", MOST_TOOLS)
    offered: set[str] = set()
    for tool, path in zip(tools, paths, strict=True):
        if tool.name in offered:
            param = f"{path}.name"
            raise problems.invalid_value(param, f"Invalid value for '{param}': another function has the same name.")
        offered.add(tool.name)
    for name, param in (names or {}).items():
        if name not in offered:
            raise problems.invalid_value(param, f"Invalid value for '{param}': 'tools' has no function of this name.")
    required = mode in ("required", "function")
    if not tools:
        if required:
            message = "Invalid value for 'tool_choice': it is only allowed when 'tools' are specified."
            raise problems.invalid_value("tool_choice", message)
        return None
    chosen = () if mode == "none" else offered if names is None else names
    return Tooling(tuple(tools), frozenset(chosen), required, parallel is not False and mode != "function")
