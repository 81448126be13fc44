"""Tools, structured output and images in a chat request, field by field."""

import json
from typing import Any

import pytest

from inference.api.schemas.chat import conversation_of, conversion_ms, decode_chat
from inference.conversation import Conversation, Picture
from inference.errors import InvalidRequest
from inference.generation import Structure

USER = {"role": "user", "content": "Hi"}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
URL = "data:image/png;base64,AAAA"


def tool(name: str = "f", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **function}}


def asked(*messages: dict[str, Any], **fields: Any) -> Conversation:
    body = {"model": "m", "messages": messages or [USER], **fields}
    return conversation_of(decode_chat(json.dumps(body).encode()))


def refusal(*messages: dict[str, Any], **fields: Any) -> tuple[str | None, str | None]:
    with pytest.raises(InvalidRequest) as caught:
        asked(*messages, **fields)
    assert caught.value.status == 400
    assert "secret" not in f"{caught.value} {caught.value.message} {caught.value.param}"
    return caught.value.code, caught.value.param


def test_tools_become_what_the_next_steps_speak_of():
    found = asked(
        tools=[tool("f", description="Does.", parameters=CITY, strict=True), tool("g"), tool("h", parameters={})]
    )
    assert found.tooling is not None
    f, g, h = found.tooling.tools
    assert (f.name, f.description, f.parameters, f.strict) == ("f", "Does.", CITY, True)
    assert (g.description, g.parameters, g.strict) == (None, {"type": "object", "properties": {}}, False)
    assert h.parameters == g.parameters
    assert found.tooling.callable == {"f", "g", "h"}
    assert (found.tooling.required, found.tooling.parallel) == (False, True)


def allowed(mode: str, *names: str) -> dict[str, Any]:
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [tool(name) for name in names]}}


@pytest.mark.parametrize(
    ("choice", "callable_now", "required", "parallel"),
    [
        (None, {"f", "g"}, False, True),
        ("auto", {"f", "g"}, False, True),
        ("none", set(), False, True),
        ("required", {"f", "g"}, True, True),
        (tool("g"), {"g"}, True, False),
        (allowed("auto", "f"), {"f"}, False, True),
        (allowed("required", "f", "g"), {"f", "g"}, True, True),
    ],
)
def test_the_choice_says_which_may_and_must_be_called(choice, callable_now, required, parallel):
    tooling = asked(tools=[tool("f"), tool("g")], tool_choice=choice).tooling
    assert tooling is not None
    assert (tooling.callable, tooling.required, tooling.parallel) == (callable_now, required, parallel)
    assert [each.name for each in tooling.tools] == ["f", "g"]


def test_one_call_at_a_time_may_be_wanted():
    tooling = asked(tools=[tool()], parallel_tool_calls=False).tooling
    assert tooling is not None
    assert not tooling.parallel
    assert asked(tools=[], tool_choice="auto").tooling is None


MANY = [tool(f"f{number}") for number in range(129)]


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"tools": MANY}, "array_above_max_length", "tools"),
        ({"tools": [tool("a secret")]}, "invalid_value", "tools[0].function.name"),
        ({"tools": [tool("secret\n")]}, "invalid_value", "tools[0].function.name"),
        ({"tools": [tool("")]}, "empty_string", "tools[0].function.name"),
        ({"tools": [tool("s" * 65)]}, "string_above_max_length", "tools[0].function.name"),
        ({"tools": [tool("f"), tool("g"), tool("f")]}, "invalid_value", "tools[2].function.name"),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "tools[0].function"),
        ({"tools": [{"function": {"name": "f"}}]}, "missing_required_parameter", "tools[0].type"),
        ({"tools": [{"type": "function", "function": {}}]}, "missing_required_parameter", "tools[0].function.name"),
        ({"tools": [{"type": "secret"}]}, "invalid_value", "tools[0].type"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "unsupported_parameter", "tools[0].type"),
        ({"tools": [tool(parameters=[])]}, "invalid_type", "tools[0].function.parameters"),
        ({"tools": [tool(), tool("g", parameters={"type": "string"})]},
         "invalid_function_parameters", "tools[1].function.parameters"),
        ({"tools": [tool(parameters={"type": "object", "properties": {"secret": 1}})]},
         "invalid_function_parameters", "tools[0].function.parameters"),
        ({"tools": [tool(parameters={"$ref": "http://secret.invalid"})]},
         "invalid_function_parameters", "tools[0].function.parameters"),
        ({"tools": [tool(parameters={"not": {}}, strict=True)]},
         "invalid_function_parameters", "tools[0].function.parameters"),
        ({"tool_choice": "required"}, "invalid_value", "tool_choice"),
        ({"tool_choice": tool("secret")}, "invalid_value", "tool_choice.function.name"),
        ({"tools": [tool()], "tool_choice": tool("secret")}, "invalid_value", "tool_choice.function.name"),
        ({"tools": [tool()], "tool_choice": "secret"}, "invalid_value", "tool_choice"),
        ({"tools": [tool()], "tool_choice": {"type": "function"}},
         "missing_required_parameter", "tool_choice.function"),
        ({"tools": [tool()], "tool_choice": {"type": "allowed_tools"}},
         "missing_required_parameter", "tool_choice.allowed_tools"),
        ({"tools": [tool()], "tool_choice": allowed("auto", "f", "secret")},
         "invalid_value", "tool_choice.allowed_tools.tools[1].function.name"),
        ({"tools": [tool()], "tool_choice": {"type": "custom", "custom": {"name": "f"}}},
         "unsupported_parameter", "tool_choice.type"),
        ({"response_format": {"type": "json_schema"}}, "missing_required_parameter", "response_format.json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}},
         "missing_required_parameter", "response_format.json_schema.name"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a secret"}}},
         "invalid_value", "response_format.json_schema.name"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "secret"}}}},
         "invalid_json_schema", "response_format.json_schema.schema"),
        ({"response_format": {"type": "json_schema",
                              "json_schema": {"name": "a", "strict": True, "schema": {"uniqueItems": True}}}},
         "invalid_json_schema", "response_format.json_schema.schema"),
        ({"response_format": {"type": "secret"}}, "invalid_value", "response_format.type"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_tools_and_forms_is_said_by_path(fields, code, param):
    assert refusal(**fields) == (code, param)


def call(arguments: str = "{}", **fields: Any) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": arguments}, **fields}


@pytest.mark.parametrize(
    "content", [{}, {"content": None}, {"content": ""}, {"content": [{"type": "text", "text": ""}]}]
)
def test_calls_and_their_results_come_back_as_templates_take_them(content):
    messages = asked(
        USER,
        {"role": "assistant", **content, "tool_calls": [call('{"a": [1]}'), call("", id="call_2")]},
        {
            "role": "tool",
            "tool_call_id": "call_1",
            "content": [{"type": "text", "text": "4"}, {"type": "text", "text": "2"}],
        },
        {"role": "tool", "tool_call_id": "call_9", "content": "x", "name": "own"},
    ).messages
    function = {"name": "f", "arguments": {"a": [1]}}
    assert messages[1] == {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": function},
            {"id": "call_2", "type": "function", "function": {"name": "f", "arguments": {}}},
        ],
    }
    assert messages[2] == {"role": "tool", "content": "4\n2", "tool_call_id": "call_1", "name": "f"}
    assert messages[3] == {"role": "tool", "content": "x", "tool_call_id": "call_9", "name": "own"}


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ({"role": "tool", "content": "x"}, "missing_required_parameter", "messages[0].tool_call_id"),
        ({"role": "tool", "tool_call_id": "c"}, "missing_required_parameter", "messages[0].content"),
        ({"role": "tool", "tool_call_id": "c", "content": [{"type": "image_url", "image_url": {"url": URL}}]},
         "invalid_value", "messages[0].content[0].type"),
        ({"role": "function", "name": "f", "content": "x"}, "unsupported_parameter", "messages[0].role"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "type": "function"}]},
         "missing_required_parameter", "messages[0].tool_calls[0].function"),
        ({"role": "assistant", "tool_calls": [call(type="custom")]},
         "unsupported_parameter", "messages[0].tool_calls[0].type"),
        ({"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{}"}}]},
         "missing_required_parameter", "messages[0].tool_calls[0].id"),
        *[({"role": "assistant", "tool_calls": [call(), call(wrong)]},
           "invalid_value", "messages[0].tool_calls[1].function.arguments") for wrong in ("{secret", "[]", "1")],
    ],
)  # fmt: skip
def test_what_is_wrong_with_calls_and_results_is_said_by_path(message, code, param):
    assert refusal(message) == (code, param)


def test_thoughts_go_back_to_the_template_under_one_name():
    for field in ("reasoning", "reasoning_content"):
        (message,) = asked({"role": "assistant", "content": "Yes", field: "Hm"}).messages
        assert message == {"role": "assistant", "content": "Yes", "reasoning_content": "Hm"}
    for odd in ({"effort": "low"}, None, ""):
        (message,) = asked({"role": "assistant", "content": "Yes", "reasoning": odd}).messages
        assert not message.get("reasoning_content")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, Structure()),
        ({"type": "json_schema", "json_schema": {"name": "a"}}, Structure()),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": None}}, Structure()),
    ],
)
def test_forms_without_a_schema(wanted, expected):
    assert asked(response_format=wanted).structure == expected


@pytest.mark.parametrize("strict", [True, False, None])
def test_a_schema_is_passed_on_with_its_properties_in_order(strict):
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in "zyxabc"}, "required": ["z"]}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "strict": strict, "description": "d"}}
    structure = asked(response_format=form).structure
    assert structure is not None
    assert json.loads(structure.schema or "") == schema
    assert list(json.loads(structure.schema or "")["properties"]) == list("zyxabc")


def test_images_are_parts_in_the_order_of_their_pictures():
    image = {"type": "image_url", "image_url": {"url": URL, "detail": "low"}}
    content = [{"type": "text", "text": "A"}, image, {"type": "text", "text": "B"}, image]
    found = asked(USER, {"role": "user", "content": content})
    text = [{"type": "text", "text": "A"}, {"type": "image"}, {"type": "text", "text": "B"}, {"type": "image"}]
    assert found.messages[1]["content"] == text
    assert found.pictures == tuple(Picture(URL, f"messages[1].content[{position}].image_url") for position in (1, 3))


@pytest.mark.parametrize(
    ("part", "code", "param"),
    [
        ({"type": "image_url"}, "missing_required_parameter", "messages[0].content[0].image_url"),
        ({"type": "image_url", "image_url": {}}, "missing_required_parameter", "messages[0].content[0].image_url.url"),
        ({"type": "image_url", "image_url": "secret"}, "invalid_type", "messages[0].content[0].image_url"),
        ({"type": "image_url", "image_url": {"url": URL, "detail": "secret"}},
         "invalid_value", "messages[0].content[0].image_url.detail"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_image_is_said_by_path(part, code, param):
    assert refusal({"role": "user", "content": [part]}) == (code, param)


def test_checking_schemas_counts_as_work():
    def effort(**fields: Any) -> float:
        body = json.dumps({"model": "m", "messages": [USER], **fields}).encode()
        return conversion_ms(decode_chat(body), 100_000)

    assert effort() < 1
    assert effort() < effort(tools=[tool()]) < effort(tools=[tool(strict=True)])
