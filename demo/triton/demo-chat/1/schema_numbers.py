"""Numbers that keep to the bounds of a JSON Schema."""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from schema_parts import is_number


def fitting_number(schema: Mapping[str, Any], kind: str, preferred: Iterable[Any]) -> int | float:
    """The first of the preferred values that is a number and fits, else another; `kind` is "integer" or "number".

    Raises ValueError where none was found.
    """
    for candidate in preferred:
        if is_number(candidate) and within(candidate, schema):
            whole = float(candidate).is_integer()
            if whole or kind == "number":
                return int(candidate) if whole else candidate
    for value in _candidates(schema, kind):
        number = int(value) if value == int(value) else float(value)
        if within(number, schema) and (kind == "number" or isinstance(number, int)):
            return number
    raise ValueError("no number fits the JSON Schema")


def _candidates(schema: Mapping[str, Any], kind: str) -> list[Decimal]:
    """Numbers near the bounds, and between them."""
    low, high = (None if bound is None else Decimal(str(bound)) for bound in bounds(schema))
    if kind == "integer":
        low = None if low is None else Decimal(math.ceil(low))
        high = None if high is None else Decimal(math.floor(high))
    if schema.get("multipleOf"):
        size = Decimal(str(schema["multipleOf"]))
        start = Decimal(1)
        if low is not None:
            start = Decimal(math.ceil(low / size))
        elif high is not None:
            start = Decimal(math.floor(high / size))
        return [start * size, (start + 1) * size, (start - 1) * size, Decimal(0)]
    ends = [end for end in (low, high) if end is not None]
    between = [(low + high) / 2] if low is not None and high is not None else []
    return [*ends, *(end + move for end in ends for move in (1, -1)), *between]


def bounds(schema: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """The lowest and the highest number, as far as there are bounds."""
    low = [value for key in ("minimum", "exclusiveMinimum") if is_number(value := schema.get(key))]
    high = [value for key in ("maximum", "exclusiveMaximum") if is_number(value := schema.get(key))]
    return max(low, default=None), min(high, default=None)


def within(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a number keeps to what the schema says of numbers."""
    step = schema.get("multipleOf")
    return (
        not (is_number(low := schema.get("minimum")) and value < low)
        and not (is_number(high := schema.get("maximum")) and value > high)
        and not (is_number(above := schema.get("exclusiveMinimum")) and value <= above)
        and not (is_number(below := schema.get("exclusiveMaximum")) and value >= below)
        and not (is_number(step) and step > 0 and Decimal(str(value)) % Decimal(str(step)) != 0)
    )
