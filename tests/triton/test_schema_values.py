"""What demo-chat writes for a JSON Schema fits it, whatever the schema."""

import json
import random
import re
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.triton.demo_modules import demo_module

hints, schema_values, regex_text = (demo_module(name) for name in ("hints", "schema_values", "regex_text"))
QUESTION = "Alice and Bob meet on Friday in Berlin at 10:30 for 3 hours; write to ada@example.org, not to eve."


def written(schema: Any, question: str = QUESTION, *, sparing: bool = False) -> Any:
    writer = schema_values.SchemaWriter(
        schema,
        hints.Hints(question),
        random.Random(4),
        word=lambda: "harbour",
        sentence=lambda: "The harbour is large, and the ships are many.",
        sparing=sparing,
    )
    return json.loads(json.dumps(writer.value(schema)))


def fits(schema: Any, value: Any) -> bool:
    return jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(value)


TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["name", "children", "next"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}


@pytest.mark.parametrize("sparing", [False, True])
@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        TREE,
        {"type": "object", "required": ["unnamed"]},
        {"type": "object", "properties": {"a": {"const": 5}, "b": {"enum": ["x", 2, None]}}, "required": ["a", "b"]},
        {"type": "array", "items": {"type": "integer", "minimum": 5}, "minItems": 7, "uniqueItems": True},
        {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "items": {"type": "string", "maxLength": 4}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}], "items": False},
        {"type": "array", "maxItems": 0},
        {"type": "string", "minLength": 200, "maxLength": 210},
        {"type": "string", "maxLength": 3},
        {"type": "string", "pattern": r"^[A-Z]{3}-\d{4}$"},
        {"type": "string", "pattern": "x", "minLength": 20},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"type": "integer", "minimum": 100, "maximum": 130, "multipleOf": 7},
        {"type": "number", "maximum": -3.5},
        {"type": "number", "multipleOf": 0.1, "minimum": 10},
        {"type": ["null", "boolean"]},
        {"oneOf": [{"type": "object", "properties": {"k": {"const": "a"}}, "required": ["k"]}, {"type": "null"}]},
        {"anyOf": [{"$ref": "#/$defs/a~1b"}], "$defs": {"a/b": {"type": "integer"}}},
        {"allOf": [{"type": "object", "required": ["a"]}, {"properties": {"a": {"type": "boolean"}}}]},
        {"allOf": [{"minimum": 3}, {"maximum": 4}], "type": "integer"},
        {"type": "object", "minProperties": 3, "additionalProperties": {"type": "integer"}},
        *(
            {"type": "string", "format": name}
            for name in ("date", "date-time", "time", "duration", "email", "hostname")
        ),
        *({"type": "string", "format": name} for name in ("ipv4", "ipv6", "uri", "uuid", "json-pointer", "regex")),
    ],
)
def test_values_fit_their_schema(schema: Any, sparing: bool) -> None:
    value = written(schema, sparing=sparing)
    assert fits(schema, value), value


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"$ref": "https://example.com/schema"},
        {"$ref": "#/nowhere"},
        {"$ref": "#"},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"type": "string", "pattern": "("},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    ],
)
def test_what_nothing_fits_is_refused(schema: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        written(schema)


names = st.sampled_from(("city", "participants", "date", "email", "count", "summary", "text", "x"))
leaves = st.one_of(
    st.builds(
        lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more}, st.integers(), st.integers(0, 50)
    ),
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
        st.integers(0, 60),
        st.integers(0, 60),
    ),
    st.lists(st.integers() | st.text(max_size=5) | st.booleans() | st.none(), min_size=1, max_size=4).map(
        lambda v: {"enum": v}
    ),
    st.sampled_from(({"type": "boolean"}, {"type": "null"}, {"type": "number"}, {"type": ["string", "null"]}, {})),
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(
            lambda fields, count: {
                "type": "object",
                "properties": fields,
                "required": sorted(fields)[:count],
                "additionalProperties": False,
            },
            st.dictionaries(names, inner, max_size=4),
            st.integers(0, 4),
        ),
        st.builds(
            lambda items, low, more: {"type": "array", "items": items, "minItems": low, "maxItems": low + more},
            inner,
            st.integers(0, 3),
            st.integers(0, 3),
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options}),
    ),
    max_leaves=10,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schema=schemas, sparing=st.booleans(), question=st.sampled_from((QUESTION, "", "5 Birnen und 7 Äpfel")))
def test_values_fit_any_schema(schema: Any, sparing: bool, question: str) -> None:
    value = written(schema, question, sparing=sparing)
    assert fits(schema, value), value


def test_values_are_the_questions() -> None:
    schema = {
        "type": "object",
        "properties": {
            "participants": {"type": "array", "items": {"type": "string"}},
            "date": {"type": "string"},
            "city": {"type": "string"},
            "hours": {"type": "integer"},
            "email": {"type": "string", "format": "email"},
            "start_time": {"type": "string"},
        },
        "required": ["participants", "date", "city", "hours", "email", "start_time"],
    }
    found = written(schema)
    assert found["participants"][:2] == ["Alice", "Bob"]
    assert found["date"] == "Friday"
    assert found["city"] == "Berlin"
    assert found["email"] == "ada@example.org"
    assert found["start_time"] == "10:30"


@pytest.mark.parametrize(
    "pattern",
    [r"[A-Z]{2}-\d{4}(foo|bar)+", r"^\w+@\w+\.(com|org)$", r"(a)\1b?", r"[^0-9]{3,}", r"\d{3}\.\d+", "", "é|ü"],
)
def test_texts_match_their_expression(pattern: str) -> None:
    for number in range(20):
        assert re.fullmatch(pattern.strip("^$"), regex_text.matching(pattern, random.Random(number)))
