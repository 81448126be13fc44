"""What engines are held to, and what becomes of answers that do not keep to it."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import jsonschema_rs
import pytest
from llguidance import LLMatcher

from inference.conversation import Tool, Tooling
from inference.forced_calls import guided_structure
from inference.generation import Event, EventStream, Finish, ReasoningDelta, Restart, Structure, TextDelta, ToolCalled
from inference.structure import InvalidStructuredOutput, StructureCheck, structured

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
LINKED = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"next": {"$ref": "#"}, "kind": {"$ref": "#/$defs/kind"}},
    "required": ["kind"],
    "$defs": {"kind": {"enum": ["a", "b"]}},
}


def tool(name: str, parameters: dict[str, Any]) -> Tool:
    return Tool(name, None, parameters)


def offered(*tools: Tool, **fields: Any) -> Tooling:
    return Tooling(tools, frozenset(each.name for each in tools), **fields)


def schema_of(tooling: Tooling | None, structure: Structure | None = None) -> dict[str, Any]:
    """What an engine is held to; one that knows guided decoding takes it."""
    found = guided_structure(tooling, structure)
    assert found is not None
    assert found.schema is not None
    schema: dict[str, Any] = json.loads(found.schema)
    assert LLMatcher.validate_grammar(LLMatcher.grammar_from_json_schema(schema)) == ""
    return schema


def fits(schema: dict[str, Any], value: Any) -> bool:
    return jsonschema_rs.is_valid(schema, value)


def test_without_need_nothing_is_guided():
    assert guided_structure(None, None) is None
    assert guided_structure(offered(tool("f", CITY)), None) is None
    assert guided_structure(Tooling((tool("f", CITY),), frozenset(), required=False), Structure()) == Structure()


def test_a_named_function_is_held_to_its_arguments():
    tools = (tool("f", CITY), tool("g", LINKED))
    wanted = Tooling(tools, frozenset({"f"}), required=True, parallel=False)
    assert schema_of(wanted) == CITY


@pytest.mark.parametrize("parallel", [True, False])
def test_required_calls_are_a_list_of_those_that_may_be_called(parallel):
    tools = (tool("f", CITY), tool("g", LINKED), tool("h", {"type": "object", "properties": {}}))
    schema = schema_of(Tooling(tools, frozenset({"f", "g"}), required=True, parallel=parallel))
    f = {"name": "f", "arguments": {"city": "Bremen"}}
    g = {"name": "g", "arguments": {"kind": "a", "next": {"kind": "b"}}}
    assert fits(schema, [f])
    assert fits(schema, [g])
    assert fits(schema, [f, g]) == parallel
    for wrong in ([], f, [{"name": "h", "arguments": {}}], [{"name": "f", "arguments": {}}]):
        assert not fits(schema, wrong)
    # References lead to their own schema's top, wherever it stands now.
    for kind in ({"kind": "c"}, {"kind": "a", "next": {}}, {"kind": "a", "next": {"kind": "c"}}):
        assert not fits(schema, [{"name": "g", "arguments": kind}])


@pytest.mark.parametrize("answer", [Structure(json.dumps(LINKED)), Structure()])
def test_a_structured_answer_or_calls_where_both_are_allowed(answer):
    schema = schema_of(offered(tool("f", CITY), tool("g", LINKED)), answer)
    assert fits(schema, [{"name": "f", "arguments": {"city": "Bremen"}}])
    assert fits(schema, {"kind": "a"})
    assert fits(schema, {"kind": "c"}) == (answer.schema is None)
    assert not fits(schema, [{"name": "f"}])
    assert not fits(schema, "text")


def check(texts: Sequence[str], structure: Structure, reason: str = "stop", more: Sequence[Event] = ()) -> list[Event]:
    events = [*more, *(TextDelta(0, text, 1) for text in texts), Finish(0, reason)]

    async def engine() -> EventStream:
        for event in events:
            yield event

    async def collect() -> list[Event]:
        return [event async for event in structured(engine(), StructureCheck(structure))]

    found = asyncio.run(collect())
    assert found == events
    return found


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (CITY, '{"city": "Köln"}'),
        (CITY, ' \n{"city": "Bremen", "more": 1}\n'),
        (None, "{}"),
        ({"type": "array"}, "[1]"),
        ({"enum": [12345678901234567890123]}, "12345678901234567890123"),
    ],
)
def test_what_conforms_ends_as_it_is(schema, text):
    check(list(text), Structure(schema and json.dumps(schema)))


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (CITY, "{}"),
        (CITY, '{"city": 1}'),
        (CITY, '{"city": "Bremen"'),
        (CITY, '```json\n{"city": "Bremen"}\n```'),
        (CITY, ""),
        (CITY, '{"city": "Bremen"} {"city": "Ulm"}'),
        (CITY, '{"city": "\ud83d"}'),
        (None, "[]"),
        (None, '{"a": NaN}'),
        (None, '{"a": ' * 5000),
    ],
)
def test_what_does_not_is_an_error_that_says_nothing_of_it(schema, text):
    with pytest.raises(InvalidStructuredOutput) as caught:
        check(list(text), Structure(schema and json.dumps(schema)))
    assert (caught.value.status, caught.value.code) == (502, "invalid_structured_output")
    assert "Bremen" not in f"{caught.value} {caught.value.message}"


def test_an_answer_that_was_cut_off_ends_with_length():
    check(['{"city":'], Structure(json.dumps(CITY)), "length")


def test_calls_have_no_text_to_check():
    check([], Structure(json.dumps(CITY)), "tool_calls", [ToolCalled(0, "call_1", "f", "{}")])


def test_thinking_is_no_part_of_it_nor_what_came_before_a_restart():
    check(["{}"], Structure(), more=[ReasoningDelta(0, "Hm"), TextDelta(0, "no JSON", 1), Restart()])


def test_long_answers_are_checked_beside_the_loop(monkeypatch):
    threads = []
    accepts = StructureCheck._accepts

    def noted(self: StructureCheck, text: str) -> bool:
        import threading

        threads.append(threading.current_thread().name)
        return accepts(self, text)

    monkeypatch.setattr(StructureCheck, "_accepts", noted)
    check(["{}"], Structure())
    check(['{"a": "' + "x" * 200_000 + '"}'], Structure())
    assert [name.startswith("large-request") for name in threads] == [False, True]
