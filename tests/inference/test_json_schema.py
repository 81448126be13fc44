"""Schemas from strangers: what is taken, what is refused, and that no check takes long."""

import socket
import time
from contextlib import suppress
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.json_schema import JsonSchema, check_guidable, check_schema
from inference.pattern_size import LEAST, pattern_size
from inference.schema_extent import DEEPEST, MOST_VALUES, SchemaRefused

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TREE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "left": {"$ref": "#"}, "right": {"$ref": "#"}},
    "required": ["name"],
}


def chain(length: int, *, times: int = 2) -> dict[str, Any]:
    """A schema that comes to `times ** length` looks at one value."""
    steps = {f"s{step}": {"allOf": [{"$ref": f"#/$defs/s{step + 1}"}] * times} for step in range(length)}
    return {"$ref": "#/$defs/s0", "$defs": {**steps, f"s{length}": {"type": "object"}}}


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"properties": {"a": schema}}
    return schema


def problem(schema: dict[str, Any]) -> str:
    with pytest.raises(SchemaRefused) as caught:
        JsonSchema(schema)
    assert caught.value.__cause__ is caught.value.__context__ is None
    return str(caught.value)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (CITY, {"city": "Bremen"}, {"city": 1}),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "enum": [1, "a"]}, "a", "b"),
        ({"$schema": "https://nowhere.invalid/dialect", "$id": "https://nowhere.invalid/x", **CITY}, {"city": ""}, {}),
        (TREE, {"name": "a", "left": {"name": "b"}}, {"name": "a", "left": {}}),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "null"}}}, None, 0),
        ({"prefixItems": [{"type": "string"}, {"$ref": "#/prefixItems/0"}]}, ["a", "b"], ["a", 1]),
        ({"pattern": "^[a-z]+$"}, "abc", "ABC"),
        ({"format": "date-time"}, "formats are not checked", ...),
    ],
)
def test_values_are_held_against_schemas(schema, good, bad):
    found = JsonSchema(schema)
    check_schema(schema)
    assert found.conforms(good)
    assert bad is ... or not found.conforms(bad)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "https://nowhere.invalid/schema.json"}, "references must lead"),
        ({"properties": {"a": {"$ref": "other.json#/a"}}}, "references must lead"),
        ({"properties": {"a": {"$dynamicRef": "#anchor"}}}, "references must lead"),
        ({"$defs": {"a": {"$id": "https://nowhere.invalid/a"}}}, "'$id'"),
        ({"$ref": "#/$defs/none"}, "not there"),
        ({"$ref": "#"}, "back to itself"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}}},
         "back to itself"),
        ({"type": "text"}, "no valid JSON Schema"),
        ({"properties": {"secret": 5}}, "no valid JSON Schema"),
        ({"pattern": "(?=secret)"}, "pattern"),
        ({"pattern": "(secret"}, "pattern"),
        ({"pattern": "(((a{100}){100}){100}){100}"}, "patterns repeat"),
        ({"properties": {f"p{n}": {"pattern": f"^.{{1,{n}}}$"} for n in range(200)}}, "patterns repeat"),
        ({"patternProperties": {"^(secret){9999}$": {}}}, "patterns repeat"),
        ({"items": [{"pattern": "a"}] * 600}, "patterns repeat"),
        (nested(DEEPEST), "nested deeper"),
        ({"enum": list(range(MOST_VALUES + 1))}, "more than"),
        (chain(20), "come to too much"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_refused_without_a_word_of_it(schema, said):
    message = problem(schema)
    assert said in message
    assert "secret" not in message


def test_nothing_is_ever_fetched():
    """The library would by itself, and not through Python: a listener tells."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        for schema in ({"$schema": url}, {"$id": url}, {"$ref": url}, {"properties": {"a": {"$schema": url}}}):
            for check in (check_schema, JsonSchema, check_guidable):
                with suppress(SchemaRefused):
                    check(schema)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_check_that_would_take_too_long_is_not_made():
    """Each level of the value doubles the looks, which the library does not remember."""
    other = {"properties": {"x": {"$ref": "#"}}}
    schema = {"anyOf": [{**other, "minProperties": 2}, other, {**other, "required": ["y"]}]}
    value: dict[str, Any] = {}
    for _ in range(60):
        value = {"x": value}
    started = time.perf_counter()
    assert not JsonSchema(schema).conforms(value)
    assert time.perf_counter() - started < 0.5
    assert JsonSchema(schema).conforms({"x": {"x": {}}})


def test_what_is_allowed_is_checked_quickly():
    started = time.perf_counter()
    assert JsonSchema(chain(12)).conforms({})
    value = [{"city": "a" * 20} for _ in range(3000)]
    assert JsonSchema({"items": CITY, "uniqueItems": False}).conforms(value)
    assert JsonSchema({"items": {"pattern": "^(a+)+$"}}).conforms(["a" * 5000, "a" * 5000])
    assert not JsonSchema({"pattern": "^(a+)+$"}).conforms("a" * 50_000 + "b")
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("pattern", "size"),
    [
        ("", 0),
        ("abc", 3),
        ("a{5}", 5),
        ("a{2,7}b", 8),
        ("a{3,}", 3),
        ("(ab){10}", 20),
        ("((a{10}){10}c){10}", 1010),
        ("a{10}{10}", 100),
        (r"\d{100}\.\d{100}", 201),
        ("[a-z]{10}", 20),
        ("[^a]{10}", 100),
        (".{10}", 100),
        (r"\p{L}{10}", 1000),
        (r"[\p{L}\]x]{10}", 1000),
        (r"\{5}", 3),
        ("[{5}]", 2),
        ("{5}a", 1),
        ("a)(", 2),
        ("[a", 1),
        ("\\", 1),
        ("^(x|y)*z+?$", 3),
    ],
)
def test_the_size_of_a_pattern_is_guessed(pattern, size):
    assert pattern_size(pattern) - LEAST == size


@pytest.mark.parametrize(
    "pattern", ["^[^\\s]{1,500}$", "^.{1,900}$", "^[\\p{L} ]{1,64}$", "^([a-z0-9-]{1,63}\\.){1,20}[a-z]{2,63}$"]
)
def test_usual_patterns_are_taken(pattern):
    JsonSchema({"pattern": pattern})


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"not": {"type": "string"}}, "'not'"),
        ({"type": "array", "uniqueItems": True}, "'uniqueItems'"),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, "'if', 'then'"),
        ({"allOf": [{"type": "string"}, {"type": "object"}]}, "no value can conform"),
        ({"type": "string", "pattern": "(?=secret)"}, "a pattern or a bound"),
    ],
)
def test_what_guided_decoding_cannot_do_is_refused_where_it_has_to(schema, said):
    with pytest.raises(SchemaRefused, match=said) as caught:
        check_guidable(schema)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "schema",
    [
        CITY,
        TREE,
        {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "object", "properties": {"format": {"type": "string", "format": "no-such-format"}}},
        {"type": "string", "format": "email", "minLength": 1},
    ],
)
def test_what_engines_only_approximate_is_taken(schema):
    check_guidable(schema)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from(["#", "#/a", "object", "string"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "$ref",
                    "type",
                    "properties",
                    "items",
                    "anyOf",
                    "not",
                    "pattern",
                    "$defs",
                    "a",
                    "enum",
                    "required",
                    "$id",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["$ref", "type", "properties", "items", "allOf", "$defs", "$schema"]), anything))
def test_any_object_is_a_schema_or_refused(schema):
    for check in (check_schema, JsonSchema, check_guidable):
        with suppress(SchemaRefused):
            check(schema)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=4), lambda i: st.lists(i) | st.dictionaries(st.text(max_size=3), i)
    )
)
def test_verdicts_are_the_librarys(value):
    assert JsonSchema(TREE).conforms(value) == jsonschema_rs.is_valid(TREE, value)
