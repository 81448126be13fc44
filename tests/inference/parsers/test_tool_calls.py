"""Tool calls come out of each format, however an engine cuts the text; what is malformed stays text."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.parsers import TOOL_CALLS, Text, ToolCall
from inference.parsers.call_formats import cast_value
from inference.parsers.tool_calls import Event, joined

TOOLS = {
    "f": {"type": "object", "properties": {"a": {"type": "integer"}, "text": {"type": "string"}, "all": {}}},
    "g": {"type": "object", "properties": {}},
}
F = ToolCall("f", '{"a": 1}')
G = ToolCall("g", "{}")
HERMES = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'
CODER = "<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>"
HARMONY = '<|start|>assistant to=functions.f<|channel|>commentary<|message|>{"a": 1}<|call|>'
RAW_HARMONY = '<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a": 1}<|call|>'
GLM = "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call>"
LLAMA = '{"name": "f", "parameters": {"a": 1}}'
OLD = '[TOOL_CALLS][{"name": "f", "arguments": {"a": 1}, "id": "abc123XYZ"}]'
NEW = '[TOOL_CALLS]f[ARGS]{"a": 1}'


def parsed(name: str, pieces: list[str]) -> list[Event]:
    parser = TOOL_CALLS[name](TOOLS)
    found = [event for piece in pieces for event in parser.feed(piece)]
    return joined([*found, *parser.finish()])


def whole(name: str, text: str) -> list[Event]:
    found = parsed(name, [text])
    assert parsed(name, list(text)) == found
    return found


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("hermes", HERMES, [F]),
        ("hermes", f"I look.\n{HERMES}\n{HERMES}", [Text("I look.\n"), F, F]),
        ("hermes", f"{HERMES}\nDone.", [F, Text("Done.")]),
        ("hermes", HERMES.removesuffix("\n</tool_call>"), [F]),
        ("hermes", '<tool_call>{"name": "g"}</tool_call>', [G]),
        ("hermes", '<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>', [F]),
        ("hermes", f'<tool_call>{{"name": "f", "argu{HERMES}', [Text('<tool_call>{"name": "f", "argu'), F]),
        (
            "hermes",
            '<tool_call>{"name": "f", "arguments": {"text": "</tool_call>\n"}}</tool_call>',
            [ToolCall("f", '{"text": "</tool_call>\\n"}')],
        ),
        ("qwen3_coder", CODER, [F]),
        ("qwen3_coder", f"Look:\n{CODER}\n\n{CODER}", [Text("Look:\n"), F, F]),
        ("qwen3_coder", "<function=g>\n</function>", [G]),
        ("qwen3_coder", "<tool_call><function=g></function></tool_call>", [G]),
        (
            "qwen3_coder",
            CODER.replace("=a>\n1\n", "=text>\n\n 1</parameter> </tool_call>\n\n"),
            [ToolCall("f", '{"text": "\\n 1</parameter> </tool_call>\\n"}')],
        ),
        ("qwen3_coder", CODER.replace("=a>\n1", "=new>\n1"), [ToolCall("f", '{"new": "1"}')]),
        ("llama3_json", LLAMA, [F]),
        ("llama3_json", f" <|python_tag|>{LLAMA}; {LLAMA}", [F, F]),
        ("llama3_json", '{"type": "function", "name": "g", "parameters": {}}', [G]),
        ("mistral", OLD, [ToolCall("f", '{"a": 1}', "abc123XYZ")]),
        ("mistral", f"I look.{NEW}{NEW}", [Text("I look."), F, F]),
        ("mistral", '[TOOL_CALLS]f[CALL_ID]abc123XYZ[ARGS]{"a": 1}', [ToolCall("f", '{"a": 1}', "abc123XYZ")]),
        ("mistral", '[TOOL_CALLS] [{"name": "g", "arguments": {}}]\nDone.', [G, Text("Done.")]),
        ("openai", HARMONY, [F]),
        ("openai", HARMONY.removesuffix("<|call|>"), [F]),
        ("openai", f"I look.{HARMONY}{RAW_HARMONY}Done.", [Text("I look."), F, F, Text("Done.")]),
        ("openai", "<|start|>assistant to=g<|channel|>commentary<|message|><|call|>", [G]),
        ("openai", "<|channel|>commentary to=functions.g json<|message|> {}\n", [G]),
        ("glm45", GLM, [F]),
        ("glm45", f"I look.\n{GLM}\n{GLM}", [Text("I look.\n"), F, F]),
        ("glm45", GLM.replace("\n", ""), [F]),
        ("glm45", GLM.removesuffix("\n</tool_call>"), [F]),
        ("glm45", "<tool_call>g\n</tool_call>", [G]),
        ("glm45", "<tool_call> g</tool_call>", [G]),
        ("glm45", GLM.replace(">a<", ">new<"), [ToolCall("f", '{"new": "1"}')]),
        (
            "glm45",
            GLM.replace(">a<", ">text<").replace(">1<", "> </tool_call>\n</arg_value> <"),
            [ToolCall("f", '{"text": " </tool_call>\\n</arg_value> "}')],
        ),
        ("pass_through", HERMES, [Text(HERMES)]),
    ],
)
def test_each_format_is_read(name: str, text: str, expected: list[Event]) -> None:
    assert whole(name, text) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hermes", "<tool_call>\nnot JSON\n</tool_call>"),
        ("hermes", '<tool_call>{"name": "f", "arguments": [1]}</tool_call>'),
        ("hermes", '<tool_call>{"name": 5}</tool_call>'),
        ("hermes", '<tool_call>{"name": "f", "arguments": {"a": NaN}}</tool_call>'),
        ("hermes", '<tool_call>{"name": "f", "arguments": {"a": 1e999}}</tool_call>'),
        ("hermes", '<tool_call>{"name": "f", "arguments": {"a": "</tool_call> and so on'),
        ("hermes", f"<tool_call>{'[' * 100_000}</tool_call>"),
        ("hermes", "<tool_c"),
        ("hermes", "a < b"),
        ("qwen3_coder", "<tool_call>f(1)</tool_call>"),
        ("qwen3_coder", "<tool_call><function=f><parameter=a>1</function></tool_call>"),
        ("qwen3_coder", "<function=f>text<parameter=a>1</parameter></function>"),
        ("qwen3_coder", "<function=f"),
        ("llama3_json", '{"name": "Ada", "parameters": {}}'),
        ("llama3_json", '{"city": "Rome"}'),
        ("llama3_json", f"{LLAMA}; and so on"),
        ("llama3_json", "<|python_tag|>print(1)"),
        ("llama3_json", "Hello"),
        ("llama3_json", '{"na'),
        ("llama3_json", " " * 100),
        ("mistral", '[TOOL_CALLS]f[ARGS]{"a": 1'),
        ("mistral", "[TOOL_CALLS][]"),
        ("mistral", "[TOOL_CALLS][1]"),
        ("mistral", "[TOOL_CALLS]f"),
        ("mistral", "[TOOL_CA"),
        ("mistral", "[1, 2]"),
        ("openai", '<|start|>assistant to=functions.f<|channel|>commentary<|message|>{"a": <|call|>'),
        ("openai", "<|start|>assistant to=functions.f<|channel|>commentary<|message|>[1]<|call|>"),
        ("openai", "<|start|>assistant to=functions.f<|call|>"),
        ("openai", "<|start|>assistant to="),
        ("openai", "<|start|>assist"),
        ("openai", '{"a": 1}'),
        ("glm45", "<tool_call>two words</tool_call>"),
        ("glm45", '<tool_call>{"name": "f"}</tool_call>'),
        ("glm45", GLM.replace("</arg_key>", "")),
        ("glm45", GLM.replace("</arg_value>", "")),
        ("glm45", GLM.replace("<arg_value>", "x<arg_value>")),
        ("glm45", "<tool_call>"),
    ],
)
def test_what_is_malformed_is_text(name: str, text: str) -> None:
    assert whole(name, text) == [Text(text)]


def test_a_call_that_is_malformed_does_not_take_others_with_it() -> None:
    assert whole("hermes", f"<tool_call>no</tool_call>{HERMES}") == [Text("<tool_call>no</tool_call>"), F]
    assert whole("mistral", f"{NEW}[TOOL_CALLS]no") == [F, Text("[TOOL_CALLS]no")]


def test_other_json_is_not_held_back_by_llamas_parser() -> None:
    parser = TOOL_CALLS["llama3_json"](TOOLS)
    assert [*parser.feed('{"ci'), *parser.feed('ty"'), *parser.feed(': "Rome"}')] == [
        Text('{"city"'),
        Text(': "Rome"}'),
    ]


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("1", {"type": "integer"}, 1),
        ("1.0", {"type": "integer"}, 1),
        ("1.5", {"type": "number"}, 1.5),
        ("2", {"type": "number"}, 2),
        ("True", {"type": "boolean"}, True),
        ("null", {"type": ["string", "null"]}, None),
        ("null", {"anyOf": [{"type": "integer"}, {"type": "null"}]}, None),
        ("7", {"anyOf": [{"type": "integer"}, {"type": "null"}]}, 7),
        ('{"a": [1]}', {"type": "object"}, {"a": [1]}),
        ("[1, 2]", {"type": "array"}, [1, 2]),
        ("1", {"type": "string"}, "1"),
        ("1", {"type": ["string", "integer"]}, "1"),
        ("one", {"type": "integer"}, "one"),
        ("1", {"type": "object"}, "1"),
        ("{", {"type": "object"}, "{"),
        ("1e999", {"type": "number"}, "1e999"),
        ("2", {"enum": [1, 2]}, 2),
        ("b", {"enum": ["a", "b"]}, "b"),
        ("1", {}, "1"),
        ("1", None, "1"),
        ("1", {"type": 5, "anyOf": "no", "enum": None}, "1"),
    ],
)
def test_values_are_cast_by_their_schema(text: str, schema: Any, value: Any) -> None:
    found = cast_value(text, schema)
    assert (found, type(found)) == (value, type(value))


PIECES = (
    *("<tool_call>", "</tool_call>", "<function=f>", "</function>", "<parameter=a>", "</parameter>", "<function=", ">"),
    *(
        '{"name": "f", "arguments": {"a": 1}}',
        LLAMA,
        "<|python_tag|>",
        ";",
        '{"name"',
        ': "f"',
        '"',
        "{",
        "}",
        "[",
        "]",
    ),
    *("[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "f", "[TOOL", "_CALLS]", "<tool", "_call>", "\n", " ", "1", "\\", "é"),
    *(HERMES, CODER, OLD, NEW, HARMONY, RAW_HARMONY, GLM, '{"a": 1}'),
    *("<|start|>", "<|channel|>", "<|message|>", "<|call|>", "assistant to=", "commentary to=", "functions.f"),
    *("<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", "<tool_call>f"),
)
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=14).map("".join)
names = st.sampled_from(sorted(TOOL_CALLS))


@given(name=names, text=texts, data=st.data())
def test_any_split_means_the_same(name: str, text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert parsed(name, pieces) == whole(name, text)


@given(name=names, text=texts)
def test_texts_are_parts_of_the_text_and_arguments_are_json(name: str, text: str) -> None:
    found = whole(name, text)
    position = 0
    for event in found:
        if isinstance(event, Text):
            position = text.index(event.text, position) + len(event.text)
        else:
            assert isinstance(json.loads(event.arguments), dict)
            assert event.name
    if not any(isinstance(event, ToolCall) for event in found):
        assert "".join(event.text for event in found) == text


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(arguments=st.dictionaries(st.text(max_size=5), values, max_size=3), plain=st.booleans())
def test_json_arguments_come_back_as_they_were(arguments: dict[str, Any], plain: bool) -> None:
    text = json.dumps(arguments, ensure_ascii=plain)
    for name, form in (
        ("hermes", '<tool_call>\n{"name": "f", "arguments": %s}\n</tool_call>'),
        ("llama3_json", '{"name": "f", "parameters": %s}'),
        ("mistral", '[TOOL_CALLS][{"name": "f", "arguments": %s}]'),
        ("mistral", "[TOOL_CALLS]f[ARGS]%s"),
        ("openai", "<|start|>assistant to=functions.f<|channel|>commentary<|message|>%s<|call|>"),
    ):
        (call,) = whole(name, form % text)
        assert (call.name, json.loads(call.arguments)) == ("f", arguments)


@given(text=st.text())
def test_texts_as_arguments_come_back_as_they_were(text: str) -> None:
    form = "<tool_call>\n<function=f>\n<parameter=text>\n%s\n</parameter>\n</function>\n</tool_call>"
    (call,) = whole("qwen3_coder", form % text)
    assert json.loads(call.arguments) == {"text": text}
    form = "<tool_call>f\n<arg_key>text</arg_key>\n<arg_value>%s</arg_value>\n</tool_call>"
    (call,) = whole("glm45", form % text)
    assert json.loads(call.arguments) == {"text": text}


@pytest.mark.parametrize("name", sorted(TOOL_CALLS))
def test_hostile_text_takes_no_time(name: str) -> None:
    for text in (
        "<tool_call>",
        "</tool_call>",
        '<tool_call>"',
        "<parameter=a>",
        "[TOOL_CALLS]",
        '{"name":',
        "[",
        ";{",
        "<|call|>",
        "<|start|>assistant to=",
        "<arg_key>",
        "<arg_key>a</arg_key><arg_value>",
        " ",
        "functions.f ",
    ):
        start = time.process_time()
        for begin in (
            "",
            "<tool_call>",
            "<function=f>",
            "[TOOL_CALLS]",
            "<|python_tag|>",
            "<|start|>assistant to=f",
            "<tool_call>f",
        ):
            parsed(name, [begin, *[text] * 5_000])
        assert time.process_time() - start < 2
