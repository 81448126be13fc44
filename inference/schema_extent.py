"""How much there is to a JSON Schema: how large it is, and how much work it makes to check a value by it."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from inference.pattern_size import pattern_size

# JSON values in one schema, and how deep they may be nested. The largest of OpenAI's own limits come to about as much.
MOST_VALUES = 10_000
DEEPEST = 64
# Subschemas when each reference is written out.
MOST_EXPANDED = 20_000
# Subschemas that one check may look into: about 6 ns each, some ten times as much for those that compare.
MOST_LOOKS = 30_000_000
# The size of all patterns, as `pattern_size` has it: some hundred milliseconds at the very most.
MOST_PATTERN = 10_000
PATTERN_BYTES = 10_000_000
# What applies to the same value, and what to values inside it.
_IN_PLACE = ("not", "if", "then", "else")
_IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
_IN_PLACE_MAPS = ("dependentSchemas", "dependencies")
_INSIDE = ("items", "additionalItems", "additionalProperties", "contains", "propertyNames",
           "unevaluatedItems", "unevaluatedProperties")  # fmt: skip
_EVERYWHERE = "*"
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class SchemaRefused(Exception):
    """A schema cannot be taken; the text says why, is for the client and holds nothing of the schema."""


class _Walk:
    """A look at all values of a schema."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """Raises SchemaRefused where there is too much of it."""
        self.values = 0
        self.refers = False
        self.pattern_size = 0
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
            self._measure(value)
            value = list(value.values())
        for item in value:
            if isinstance(item, dict | list):
                self._check(item, depth + 1)

    def _measure(self, schema: dict[str, Any]) -> None:
        if isinstance(pattern := schema.get("pattern"), str):
            self.pattern_size += pattern_size(pattern)
        if isinstance(named := schema.get("patternProperties"), dict):
            self.pattern_size += sum(map(pattern_size, named))


class Expansion:
    """A schema with its references written out, as far as they do not come back to themselves."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """Raises SchemaRefused, also where there is too much of the schema itself."""
        self._schema = schema
        self._fan = 0
        walk = _Walk(schema)
        self.pattern_size = walk.pattern_size
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


def extent_of(value: Any) -> tuple[int, int]:
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
