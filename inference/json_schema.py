"""JSON Schemas that clients send: which are taken, and whether a value conforms to one.

A schema is a program that a stranger has us run: it may not reach out for others (remote `$ref`), grow without bound by
references, go round in circles, or look for patterns in exponential time. jsonschema-rs keeps the interpreter for as
long as a check takes, so what a check may take is bounded before.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import unquote

import jsonschema_rs
from llguidance import LLMatcher

# JSON values in one schema, and how deep they may be nested. The largest of OpenAI's own limits come to about as much.
MOST_VALUES = 10_000
DEEPEST = 64
# Subschemas when each reference is written out.
MOST_EXPANDED = 20_000
# Subschemas that one check may look into: about 6 ns each, some ten times as much for those that compare.
MOST_LOOKS = 30_000_000
# Bytes of a compiled pattern.
PATTERN_BYTES = 1_000_000
# Milliseconds for each byte of a schema, measured: to check it, and to ask besides what guided decoding makes of it.
CHECK_MS_PER_BYTE = 3e-4
STRICT_MS_PER_BYTE = 3e-3

# What applies to the same value, and what to values inside it.
_IN_PLACE = ("not", "if", "then", "else")
_IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
_IN_PLACE_MAPS = ("dependentSchemas", "dependencies")
_INSIDE = ("items", "additionalItems", "additionalProperties", "contains", "propertyNames",
           "unevaluatedItems", "unevaluatedProperties")  # fmt: skip
_EVERYWHERE = "*"
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
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


class SchemaRefused(Exception):
    """A schema cannot be taken; the text says why, is for the client and holds nothing of the schema."""


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raises SchemaRefused for what is no JSON Schema, or more than is taken. Patterns are not looked at."""
    plain = _plain(schema)
    _Expansion(plain)
    if not jsonschema_rs.meta.is_valid(plain):
        raise SchemaRefused("it is no valid JSON Schema")


class JsonSchema:
    """A schema that was checked, ready to check values."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Raises SchemaRefused. May take long, see `CHECK_MS_PER_BYTE`."""
        plain = _plain(schema)
        self._expansion = _Expansion(plain)
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
        size, depth = _extent(value)
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


class _Walk:
    """A look at all values of a schema."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """Raises SchemaRefused where there is too much of it."""
        self.values = 0
        self.refers = False
        self._check(schema, 0)

    def _check(self, value: dict[str, Any] | list[Any], depth: int) -> None:
        self.values += len(value)
        if depth > DEEPEST:
            raise SchemaRefused(f"it is nested deeper than {DEEPEST} levels")
        if self.values > MOST_VALUES:
            raise SchemaRefused(f"it holds more than {MOST_VALUES} values")
        if isinstance(value, dict):
            if isinstance(value.get("$id"), str):
                # References inside would lead elsewhere than they say.
                raise SchemaRefused("'$id' is not supported below the top")
            self.refers = self.refers or not value.keys().isdisjoint(_REFERENCES)
            value = list(value.values())
        for item in value:
            if isinstance(item, dict | list):
                self._check(item, depth + 1)


def _extent(value: Any) -> tuple[int, int]:
    """How many values there are in a JSON value, and how deep they are nested."""
    size = deepest = 0
    left = [(value, 0)]
    while left:
        item, depth = left.pop()
        size += 1
        deepest = max(deepest, depth)
        inside = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        left += [(inner, depth + 1) for inner in inside]
    return size, deepest


class _Expansion:
    """A schema with its references written out, as far as they do not come back to themselves."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """Raises SchemaRefused, also where there is too much of the schema itself."""
        self._schema = schema
        self._fan = 0
        walk = _Walk(schema)
        if not walk.refers:
            # As that of most tools.
            self._size = walk.values + 1
            return
        self._size = 0
        # By the name of a property, how often the schema around it begins anew there.
        self._again: dict[str, int] = {}
        self._expand(schema, _EVERYWHERE, {id(schema): 0}, 0)
        everywhere = self._again.pop(_EVERYWHERE, 0)
        self._fan = everywhere + max(self._again.values(), default=0)

    def looks(self, size: int, depth: int) -> int:
        """The most subschemas that checking a value of `size` values and this `depth` looks into."""
        if self._fan > 1 and depth > MOST_LOOKS.bit_length():
            return MOST_LOOKS + 1
        return int(self._size * size * max(1, self._fan) ** depth)

    def _expand(self, schema: Any, place: str, begun: dict[int, int], depth: int) -> None:
        """Counts a schema; `begun` are those that are being expanded, with the depth of the value they apply to."""
        if not isinstance(schema, dict):
            return
        self._size += 1
        if self._size > MOST_EXPANDED:
            raise SchemaRefused("its references come to too much")
        for reference in _REFERENCES:
            if isinstance(pointer := schema.get(reference), str):
                self._follow(pointer, place, begun, depth)
        for inner in _in_place(schema):
            self._expand(inner, place, begun, depth)
        for name, inner in _inside(schema):
            self._expand(inner, name, begun, depth + 1)

    def _follow(self, pointer: str, place: str, begun: dict[int, int], depth: int) -> None:
        target = self._target(pointer)
        since = begun.get(id(target))
        if since is None:
            self._expand(target, place, {**begun, id(target): depth}, depth)
        elif since == depth:
            raise SchemaRefused("a reference leads back to itself")
        else:
            self._again[place] = self._again.get(place, 0) + 1

    def _target(self, pointer: str) -> Any:
        if pointer != "#" and not pointer.startswith("#/"):
            raise SchemaRefused("references must lead to a place in the same schema ('#/…')")
        found: Any = self._schema
        for step in pointer.split("/")[1:]:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                raise SchemaRefused("it refers to what is not there")
        return found


def _in_place(schema: dict[str, Any]) -> Iterator[Any]:
    """The subschemas that apply to the same value."""
    for key in _IN_PLACE:
        if key in schema:
            yield schema[key]
    for key in _IN_PLACE_LISTS:
        if isinstance(several := schema.get(key), list):
            yield from several
    for key in _IN_PLACE_MAPS:
        if isinstance(named := schema.get(key), dict):
            yield from named.values()


def _inside(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The subschemas that apply to values inside, with the property that they are for."""
    if isinstance(properties := schema.get("properties"), dict):
        yield from properties.items()
    if isinstance(patterns := schema.get("patternProperties"), dict):
        for inner in patterns.values():
            yield _EVERYWHERE, inner
    if isinstance(prefix := schema.get("prefixItems"), list):
        for inner in prefix:
            yield _EVERYWHERE, inner
    for key in _INSIDE:
        inner = schema.get(key)
        for one in inner if isinstance(inner, list) else (inner,):
            yield _EVERYWHERE, one
