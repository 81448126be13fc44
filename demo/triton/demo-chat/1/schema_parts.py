"""What of a JSON Schema can be said without a value: putting schemas together, types."""

from collections.abc import Callable, Mapping
from typing import Any


def joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Both schemas at once, as far as that is simple."""
    both = dict(one)
    for key, value in other.items():
        mine = both.get(key)
        if key == "properties" and isinstance(mine, Mapping):
            both[key] = {**mine, **{name: _both(mine.get(name), inner) for name, inner in value.items()}}
        elif key == "required" and isinstance(mine, list):
            both[key] = [*mine, *(name for name in value if name not in mine)]
        elif key == "allOf" and isinstance(mine, list):
            both[key] = [*mine, *value]
        elif key in ("minimum", "minLength", "minItems", "exclusiveMinimum") and is_number(mine):
            both[key] = max(mine, value)
        elif key in ("maximum", "maxLength", "maxItems", "exclusiveMaximum") and is_number(mine):
            both[key] = min(mine, value)
        elif key == "enum" and isinstance(mine, list):
            both[key] = [option for option in mine if option in value]
        else:
            both[key] = value
    return both


def _both(one: Any, other: Any) -> Any:
    return joined(one, other) if isinstance(one, Mapping) and isinstance(other, Mapping) else other


def title(option: Mapping[str, Any]) -> Any:
    """What an option is called: by its title, or a field of it that can only be one thing."""
    properties = option.get("properties")
    for inner in properties.values() if isinstance(properties, Mapping) else ():
        if isinstance(inner, Mapping):
            if isinstance(inner.get("const"), str):
                return inner["const"]
            if isinstance(inner.get("enum"), list) and len(inner["enum"]) == 1:
                return inner["enum"][0]
    return option.get("title")


def is_number(value: Any) -> bool:
    """Whether it is a number to JSON Schema, to which True is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


_KINDS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: is_number(value) and float(value).is_integer(),
    "number": is_number,
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
}


def is_of(value: Any, kinds: list[Any]) -> bool:
    """Whether a value is of one of these JSON types."""
    return any(_KINDS[kind](value) for kind in kinds if kind in _KINDS)
