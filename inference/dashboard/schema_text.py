"""JSON Schemas in words: what a field may hold, with links to the types that it names."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "maxProperties": "at most {} entries",
    "pattern": "matches {}",
}
NAMES = {"integer": "integer", "number": "number", "string": "text", "boolean": "true or false", "null": "null"}


class Piece(NamedTuple):
    """Some words; `type` is the name of the type that they lead to, if any."""

    text: str
    type: str = ""


class Field(NamedTuple):
    """A field of a type."""

    name: str
    required: bool
    pieces: list[Piece]
    description: str


class Type(NamedTuple):
    """A type with its fields, or with the alternatives that it stands for."""

    name: str
    description: str
    fields: list[Field]
    pieces: list[Piece]


def type_of(name: str, schema: dict[str, Any]) -> Type:
    """A named schema."""
    required = schema.get("required", [])
    fields = [
        Field(field, field in required, pieces_of(inner), inner.get("description", ""))
        for field, inner in schema.get("properties", {}).items()
    ]
    fields.sort(key=lambda field: not field.required)
    return Type(name, schema.get("description", ""), fields, [] if fields else pieces_of(schema))


def pieces_of(schema: dict[str, Any]) -> list[Piece]:
    """What may stand where the schema does."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return [Piece(name, name)]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return _joined([pieces_of(inner) for inner in schema[key]], " or ")
    if "const" in schema or "enum" in schema:
        values = [schema["const"]] if "const" in schema else schema["enum"]
        return [Piece(", ".join(msgspec.json.encode(value).decode() for value in values))]
    return _plain(schema) + _bounds(schema)


def _plain(schema: dict[str, Any]) -> list[Piece]:
    kind = schema.get("type")
    if kind == "array":
        return [Piece("list of "), *_grouped(pieces_of(schema.get("items", {})))]
    if kind == "object":
        more = schema.get("additionalProperties")
        if isinstance(more, dict) and more:
            return [Piece("object of "), *_grouped(pieces_of(more))]
        return [Piece("object")]
    if "contentMediaType" in schema and "contentSchema" not in schema:
        return [Piece("file")]
    return [Piece(NAMES.get(str(kind), "anything"))]


def _bounds(schema: dict[str, Any]) -> list[Piece]:
    told = [words.format(schema[key]) for key, words in BOUNDS.items() if key in schema]
    return [Piece(f" ({', '.join(told)})")] if told else []


def _grouped(pieces: list[Piece]) -> list[Piece]:
    """In brackets where they are alternatives."""
    return [Piece("("), *pieces, Piece(")")] if any(piece.text == " or " for piece in pieces) else pieces


def _joined(groups: Iterable[list[Piece]], between: str) -> list[Piece]:
    found: list[Piece] = []
    for group in groups:
        found += [Piece(between), *group] if found else group
    return found
