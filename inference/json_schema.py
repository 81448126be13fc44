"""JSON Schemas that clients send: which are taken, and whether a value conforms to one.

A schema is a program that a stranger has us run: it may not reach out for others (remote `$ref`), grow without bound by
references, go round in circles, or look for patterns in exponential time. jsonschema-rs keeps the interpreter for as
long as a check takes, so what a check may take is bounded before.
"""

import re
from collections.abc import Mapping
from typing import Any, NoReturn

import jsonschema_rs
from llguidance import LLMatcher

from inference.schema_extent import MOST_LOOKS, MOST_PATTERN, PATTERN_BYTES, Expansion, SchemaRefused, extent_of

# Milliseconds for each byte of a schema, measured: to check it, and to ask besides what guided decoding makes of it.
CHECK_MS_PER_BYTE = 3e-4
STRICT_MS_PER_BYTE = 3e-3

# What names the schema and its dialect: all are read as draft 2020-12. The library would fetch an unknown dialect.
_DIALECT = ("$schema", "$id", "id")
# What llguidance says of a schema, as far as it holds keywords and nothing of the client's.
_UNIMPLEMENTED = re.compile(r'Unimplemented keys: \[((?:"\$?[a-zA-Z]+"(?:, )?)+)\]')
_KEYWORDS = {
    "not", "if", "then", "else", "uniqueItems", "contains", "minContains", "maxContains", "propertyNames",
    "patternProperties", "dependentSchemas", "dependentRequired", "dependencies", "unevaluatedItems",
    "unevaluatedProperties", "multipleOf", "minProperties", "maxProperties", "prefixItems", "additionalItems",
    "contentEncoding", "contentMediaType", "contentSchema", "$dynamicRef", "$recursiveRef", "format", "pattern",
}  # fmt: skip
_UNKNOWN_FORMAT = "Unknown format"


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raises SchemaRefused for what is no JSON Schema, or more than is taken. Patterns are not looked at."""
    plain = _plain(schema)
    Expansion(plain)
    if not jsonschema_rs.meta.is_valid(plain):
        raise SchemaRefused("it is no valid JSON Schema")


class JsonSchema:
    """A schema that was checked, ready to check values."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Raises SchemaRefused. May take long, see `CHECK_MS_PER_BYTE`."""
        plain = _plain(schema)
        self._expansion = Expansion(plain)
        if self._expansion.pattern_size > MOST_PATTERN:
            raise SchemaRefused("its patterns repeat too much")
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                plain,
                validate_formats=False,
                retriever=_refuse,
                # The linear engine: no look-around, and no way to make it slow.
                pattern_options=jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES, dfa_size_limit=PATTERN_BYTES),
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            problem = _problem(error)
        else:
            return
        # Not from the error itself, which holds the schema.
        raise SchemaRefused(problem)

    def conforms(self, value: Any) -> bool:
        """Whether a decoded JSON value conforms; False also where finding out would take too long."""
        size, depth = extent_of(value)
        if self._expansion.looks(size, depth) > MOST_LOOKS:
            return False
        try:
            return bool(self._validator.is_valid(value))
        except ValueError:
            # Nested more deeply than the library goes.
            return False


def check_guidable(schema: Mapping[str, Any]) -> None:
    """Raises SchemaRefused for what guided decoding cannot hold an engine to. Takes long: see `STRICT_MS_PER_BYTE`.

    By llguidance, one of the engines' own; what it only approximates (`oneOf`) or ignores (`format`) is taken.
    """
    plain = _plain(schema)
    found = _guidance(plain)
    if found.startswith(_UNKNOWN_FORMAT):
        found = _guidance(_without_formats(plain))
    if not found:
        return
    listed = _UNIMPLEMENTED.match(found)
    names = [name for name in re.findall(r"[$\w]+", listed[1]) if name in _KEYWORDS] if listed else []
    if names:
        keywords = ", ".join(f"'{name}'" for name in names)
        raise SchemaRefused(f"strict schemas cannot use {keywords}")
    if found.startswith("Unsatisfiable"):
        raise SchemaRefused("no value can conform to it")
    if "regex" in found:
        raise SchemaRefused("it has a pattern or a bound that strict schemas cannot use")
    raise SchemaRefused("it uses what strict schemas cannot")


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema without what names it."""
    return {key: value for key, value in schema.items() if key not in _DIALECT}


def _guidance(schema: Mapping[str, Any]) -> str:
    """What llguidance says against a schema; empty: nothing."""
    try:
        return str(LLMatcher.validate_grammar(LLMatcher.grammar_from_json_schema(_coerced(schema))))
    except ValueError:
        return "refused"


def _coerced(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {**schema, "x-guidance": {"coerce_one_of": True}}


def _without_formats(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_formats(item)
            for key, item in value.items()
            if not (key == "format" and isinstance(item, str))
        }
    return [_without_formats(item) for item in value] if isinstance(value, list) else value


def _refuse(uri: str) -> NoReturn:
    raise ValueError


def _problem(error: Exception) -> str:
    text = str(error)
    if "regex" in text:
        return "it has a pattern that is malformed, too large, or looks around"
    if "Pointer" in text or "registry" in text:
        return "it refers to what is not there"
    return "it is no valid JSON Schema"
