"""JSON bodies into typed requests; every refusal carries OpenAI's `code` and the path of the field in `param`."""

import re
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from inference.api.schemas import problems
from inference.errors import InvalidRequest

T = TypeVar("T")

NAMES = {
    "int": "an integer",
    "float": "a decimal",
    "str": "a string",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}
KINDS = {"int": "integer", "float": "decimal", "str": "string", "array": "array", "object": "object"}

# The texts of msgspec's ValidationError. They hold names of our own types and fields, with one exception: an enum's
# refused value, which is content. Nothing that these expressions do not capture reaches the client.
LOCATION = re.compile(r" - at (?:`key` in )?`\$([^`]*)`\Z")
MISSING = re.compile(r"Object missing required field `(\w+)`")
WRONG_TYPE = re.compile(r"Expected `([a-z |]+)`, got `(\w+)`")
LENGTH = re.compile(r"Expected `(str|array|object)` of length (<=|>=) (\d+)")
BOUND = re.compile(r"Expected `(int|float)` (<=|>=|<|>) (-?[\d.e+]+)")
PATTERN = re.compile(r"Expected `str` matching regex '(.*)'")
STEP = re.compile(r"\w+|\[\d+\]")


_decoders: dict[type, msgspec.json.Decoder[Any]] = {}
_outlines: dict[type, inspect.Type] = {}


def decode(body: bytes, shape: type[T]) -> T:
    """A JSON body as `shape`, a msgspec Struct. Raises InvalidRequest."""
    decoder = _decoders.get(shape)
    if decoder is None:
        decoder = _decoders[shape] = msgspec.json.Decoder(shape)
    try:
        decoded: T = decoder.decode(body)
    except msgspec.ValidationError as error:
        problem = _problem(str(error), shape)
    # A UnicodeDecodeError holds the whole string; none of these may become the cause of what we raise.
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = problems.malformed_body()
    except RecursionError:
        problem = problems.too_deep()
    else:
        return decoded
    raise problem


def convert(value: Any, shape: type[T], path: str, *, strict: bool = True) -> T:
    """A decoded part of a body, which stands at `path`, as `shape`. Raises InvalidRequest.

    Not `strict`: texts are read as numbers and booleans where such are asked for, as forms have them.
    """
    try:
        return msgspec.convert(value, shape, strict=strict)
    except msgspec.ValidationError as error:
        problem = _problem(str(error), shape, path)
    raise problem


def _problem(text: str, shape: type, prefix: str = "") -> InvalidRequest:
    """The answer to msgspec's message `text` about a body, or its part at `prefix`, that should have been `shape`."""
    location = LOCATION.search(text)
    # "[...]" stands for a value in a mapping, whose key is the client's own: the path ends before it.
    inner = location[1].partition("[...]")[0] if location else ""
    path = f"{prefix}{inner}".lstrip(".")
    text = text[: location.start()] if location else text
    if match := MISSING.fullmatch(text):
        return problems.missing(f"{path}.{match[1]}" if path else match[1])
    if not path:
        return problems.malformed_body()
    if match := WRONG_TYPE.fullmatch(text):
        return _wrong_type(path, match[1], match[2])
    if match := LENGTH.fullmatch(text):
        return problems.wrong_length(path, KINDS[match[1]], match[2], int(match[3]))
    if match := BOUND.fullmatch(text):
        return problems.out_of_bounds(path, KINDS[match[1]], match[2], match[3].removesuffix(".0"))
    if match := PATTERN.fullmatch(text):
        message = f"Invalid '{path}': string does not match pattern. Expected a string that matches the pattern"
        return problems.invalid_value(path, f"{message} '{match[1]}'.")
    return problems.wrong_value(path, supported_values(shape, inner))


def _wrong_type(path: str, expected: str, got: str) -> InvalidRequest:
    wanted = [NAMES.get(name, name) for name in expected.split(" | ") if name != "null"]
    phrase = wanted[0] if len(wanted) == 1 else f"one of {', '.join(wanted[:-1])} or {wanted[-1]}"
    return problems.wrong_type(path, phrase, NAMES.get(got, got))


def supported_values(shape: type, path: str) -> list[str]:
    """The values that the field of `shape` at `path` (as in `param`) may take; empty: too many to list."""
    outline = _outlines.get(shape)
    if outline is None:
        outline = _outlines[shape] = inspect.type_info(shape)
    reached = [outline]
    for step in STEP.findall(path):
        reached = [inner for outer in reached for inner in _inner(outer, step)]
    literals = [member for outer in reached for member in _members(outer) if isinstance(member, inspect.LiteralType)]
    return [str(value) for literal in literals for value in literal.values]


def _members(outer: inspect.Type) -> list[inspect.Type]:
    """The alternatives of a union, without the constraints around them."""
    if isinstance(outer, inspect.Metadata):
        return _members(outer.type)
    if isinstance(outer, inspect.UnionType):
        return [inner for member in outer.types for inner in _members(member)]
    return [outer]


def _inner(outer: inspect.Type, step: str) -> list[inspect.Type]:
    """The types one `step` (a field's name, or an index in brackets) below `outer`."""
    members = _members(outer)
    if step.startswith("["):
        return [member.item_type for member in members if isinstance(member, inspect.ListType)]
    structs = [member for member in members if isinstance(member, inspect.StructType)]
    return [field.type for struct in structs for field in struct.fields if field.name == step]
