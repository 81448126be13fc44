"""From the items of a Responses request to the conversation that a model is given."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.api.schemas.responses import Asking, asking_of, decode_input, decode_response, echo_of
from inference.errors import InvalidRequest
from inference.generation import Structure

BASE = {"model": "demo-chat", "input": "Hi"}
PICTURE = "data:image/png;base64,iVBORw0KGgo="


def asking(**body: Any) -> Asking:
    sealed = {"good": "Sealed thought."}
    return asking_of(decode_response(json.dumps({**BASE, **body}).encode()), sealed.get)


def messages(*items: Any, **body: Any) -> list[dict[str, Any]]:
    return asking(input=list(items), **body).conversation.messages


def refusal(**body: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        asking(**body)
    return caught.value


def user(text: str = "Hi") -> dict[str, Any]:
    return {"role": "user", "content": text}


def call(number: int = 1, name: str = "weather", arguments: str = '{"city": "Ulm"}', **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": f"call_{number}", "name": name, "arguments": arguments, **more}


def output(number: int = 1, text: Any = "Rain.") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": f"call_{number}", "output": text}


def thought(text: str | None = "Hm.", **more: Any) -> dict[str, Any]:
    content = None if text is None else [{"type": "reasoning_text", "text": text}]
    return {"type": "reasoning", "id": "rs_1", "summary": [], "content": content, **more}


def said(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [part]}


def function(name: str = "weather", **more: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}, **more}


def rendered_call(number: int = 1, name: str = "weather", arguments: Any = None) -> dict[str, Any]:
    arguments = {"city": "Ulm"} if arguments is None else arguments
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


def test_a_text_is_a_message_of_the_user_after_the_instructions() -> None:
    found = asking(instructions="Be brief.").conversation
    assert found.messages == [{"role": "system", "content": "Be brief."}, user()]
    assert found.param == "input"


def test_what_system_and_developer_say_at_the_beginning_is_one_message() -> None:
    def item(role: str, text: str) -> dict[str, Any]:
        return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}

    first = (item("developer", "One."), item("developer", "Two."), user(), item("developer", "Three."))
    assert messages(*first) == [
        {"role": "developer", "content": "One.\n\nTwo."},
        user(),
        {"role": "developer", "content": "Three."},
    ]
    assert messages(*first[:2], user(), instructions="Zero.")[0] == {
        "role": "system",
        "content": "Zero.\n\nOne.\n\nTwo.",
    }


def test_parts_of_a_message_are_lines() -> None:
    parts = [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]
    assert messages({"role": "user", "content": parts}) == [user("a\nb")]
    assert messages({"role": "user", "content": []}) == [user("")]
    refused = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    assert messages(user(), refused)[1]["content"] == "No."


def test_what_the_model_did_in_one_go_is_one_turn() -> None:
    items = (user(), thought(), said("I look."), call(1), call(2), output(1), output(2), said("Rain."))
    assert messages(*items) == [
        user(),
        {
            "role": "assistant",
            "content": "I look.",
            "reasoning_content": "Hm.",
            "tool_calls": [rendered_call(1), rendered_call(2)],
        },
        {"role": "tool", "tool_call_id": "call_1", "name": "weather", "content": "Rain."},
        {"role": "tool", "tool_call_id": "call_2", "name": "weather", "content": "Rain."},
        {"role": "assistant", "content": "Rain."},
    ]


def test_thoughts_between_calls_and_before_a_further_answer_go_where_they_belong() -> None:
    turns = messages(user(), thought("A"), call(1), thought("B"), call(2), thought("C"), said("Rain."))
    assert [turn.get("reasoning_content") for turn in turns] == [None, "A\n\nB", "C"]
    assert len(turns[1]["tool_calls"]) == 2


def test_thoughts_that_led_to_nothing_are_left_out() -> None:
    assert messages(user(), thought(), user("And?")) == [user(), user("And?")]


@pytest.mark.parametrize(
    ("item", "found"),
    [
        (thought(None, encrypted_content="good"), "Sealed thought."),
        (thought("Clear.", encrypted_content="good"), "Sealed thought."),
        (thought("Clear.", encrypted_content="bad"), "Clear."),
        (thought(None, encrypted_content="bad"), None),
        (thought(None, encrypted_content=None), None),
        (thought(None, summary=[{"type": "summary_text", "text": "About rain."}]), None),
    ],
)
def test_sealed_thoughts_are_opened_and_others_ignored(item: dict[str, Any], found: str | None) -> None:
    assert messages(user(), item, said("Yes."))[1].get("reasoning_content") == found


def test_references_to_thoughts_and_records_of_hosted_tools_are_passed_over() -> None:
    items = [{"type": "item_reference", "id": "rs_1"}, {"id": "rs_2"}, {"type": "web_search_call", "id": "ws_1"}]
    assert messages(user(), *items, said("Yes.")) == [user(), {"role": "assistant", "content": "Yes."}]


@pytest.mark.parametrize("item", [{"type": "item_reference", "id": "fc_1"}, {"id": "msg_1"}])
def test_other_references_are_not_found(item: dict[str, Any]) -> None:
    problem = refusal(input=[user(), item])
    assert (problem.status, problem.param, problem.code) == (404, "input", None)


def test_custom_calls_are_functions_with_one_text() -> None:
    items = (
        {"type": "custom_tool_call", "call_id": "call_1", "name": "patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "Done."}]},
    )
    tools = [{"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "G"}}]
    found = asking(input=[user(), *items], tools=tools).conversation
    assert found.messages[1]["tool_calls"] == [rendered_call(1, "patch", {"input": "*** Begin"})]
    assert found.messages[2]["content"] == "Done."
    assert found.tooling is not None
    (tool,) = found.tooling.tools
    assert tool.parameters["required"] == ["input"]
    assert tool.description is not None
    assert tool.description.endswith("lark grammar:\nG")


def test_images_of_a_message_stay_in_their_place() -> None:
    image = {"type": "input_image", "image_url": PICTURE, "detail": "low"}
    found = asking(input=[{"role": "user", "content": [{"type": "input_text", "text": "See:"}, image]}]).conversation
    assert found.messages[0]["content"] == [{"type": "text", "text": "See:"}, {"type": "image"}]
    assert [picture.param for picture in found.pictures] == ["input[0].content[1].image_url"]


def test_images_that_tools_gave_back_are_shown_after_their_results() -> None:
    image = {"type": "input_image", "image_url": PICTURE}
    seen = [{"type": "input_text", "text": "Here."}, image]
    last = {"role": "user", "content": [image]}
    found = asking(input=[user(), call(1), call(2), output(1, seen), output(2), last]).conversation
    assert [turn["role"] for turn in found.messages] == ["user", "assistant", "tool", "tool", "user", "user"]
    assert found.messages[2]["content"] == "Here."
    assert found.messages[4]["content"] == [{"type": "image"}]
    paths = [picture.param for picture in found.pictures]
    assert paths == ["input[3].output[1].image_url", "input[5].content[0].image_url"]


def test_tools_in_namespaces_are_offered_in_one_row_and_found_again() -> None:
    spaced = {"type": "namespace", "name": "mail", "description": "All about mail.", "tools": [function("send")]}
    other = {"type": "namespace", "name": "fax", "tools": [function("send", description="By fax."), {"type": "odd"}]}
    asked = asking(
        input=[user(), call(1, "send", "{}", namespace="fax"), output(1)],
        tools=[spaced, function("weather"), other, {"type": "web_search"}, {"type": "nobody_knows", "tools": "x"}],
    )
    tooling = asked.conversation.tooling
    assert tooling is not None
    assert [tool.name for tool in tooling.tools] == ["weather", "send", "fax__send"]
    assert [tool.description for tool in tooling.tools] == [None, "All about mail.", "By fax."]
    assert asked.conversation.messages[1]["tool_calls"][0]["function"]["name"] == "fax__send"
    assert (asked.offered.names.client("fax__send").name, asked.offered.names.client("send").namespace) == (
        "send",
        "mail",
    )
    assert [tool["type"] for tool in asked.offered.echo] == ["namespace", "function", "namespace"]


def test_tools_that_nobody_here_can_call_are_as_none() -> None:
    assert asking(tools=[{"type": "web_search"}]).conversation.tooling is None


@pytest.mark.parametrize(
    ("choice", "callable_", "required", "parallel"),
    [
        (None, {"a", "b", "c"}, False, True),
        ("auto", {"a", "b", "c"}, False, True),
        ("none", set(), False, True),
        ("required", {"a", "b", "c"}, True, True),
        ({"type": "function", "name": "b"}, {"b"}, True, False),
        ({"type": "custom", "name": "c"}, {"c"}, True, False),
        ({"type": "allowed_tools", "mode": "auto", "tools": [function("a"), {"type": "mcp"}]}, {"a"}, False, True),
        ({"type": "allowed_tools", "mode": "required", "tools": [function("a")]}, {"a"}, True, True),
    ],
)
def test_choices(choice: Any, callable_: set[str], required: bool, parallel: bool) -> None:
    tools = [function("a"), function("b"), {"type": "custom", "name": "c"}]
    tooling = asking(tools=tools, tool_choice=choice).conversation.tooling
    assert tooling is not None
    assert (set(tooling.callable), tooling.required, tooling.parallel) == (callable_, required, parallel)


def test_sampling_and_limits() -> None:
    found = asking(temperature=0.5, top_p=0.9, presence_penalty=1, max_output_tokens=1).conversation
    sampling = found.sampling
    assert (sampling.temperature, sampling.top_p, sampling.presence_penalty) == (0.5, 0.9, 1)
    assert found.output_limit == 1
    assert found.top_logprobs is None
    assert asking(top_logprobs=3).conversation.top_logprobs is None
    included = {"include": ["message.output_text.logprobs", "web_search_call.results"]}
    assert asking(**included).conversation.top_logprobs == 0
    assert asking(**included, top_logprobs=3).conversation.top_logprobs == 3


def test_effort_and_the_form_of_the_answer() -> None:
    found = asking(reasoning={"effort": "none"}, text={"format": {"type": "json_object"}}).conversation
    assert found.variables == {"reasoning_effort": "none", "enable_thinking": False}
    assert found.structure == Structure()
    schema = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": False}
    assert asking(text={"format": schema}).conversation.structure == Structure('{"type":"object"}')
    assert asking(text={"format": {"type": "text"}}).conversation.structure is None


def test_fields_that_nobody_knows_and_null_are_accepted() -> None:
    fields = decode_response(b'{"model": "m", "input": "Hi"}').__struct_fields__
    empty = {field: None for field in fields if field not in BASE}
    item = {**user(), "internal_chat_message_metadata_passthrough": {"a": 1}, "phase": "final_answer"}
    assert asking(**empty, client_metadata={"a": 1}, input=[item]).conversation.messages == [user()]


REFUSED = [
    ({"input": None}, "invalid_type", "input"),
    ({"input": []}, "empty_array", "input"),
    ({"input": [{"type": "computer_call"}]}, "invalid_value", "input[0].type"),
    ({"input": [{"role": "tool", "content": "x"}]}, "invalid_value", "input[0].role"),
    ({"input": [{"type": "message", "content": "x"}]}, "missing_required_parameter", "input[0].role"),
    ({"input": [{"role": "user"}]}, "missing_required_parameter", "input[0].content"),
    ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "missing_required_parameter",
     "input[0].content[0].text"),
    ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "unsupported_parameter",
     "input[0].content[0].type"),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "unsupported_parameter",
     "input[0].content[0].file_id"),
    ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "missing_required_parameter",
     "input[0].content[0].image_url"),
    ({"input": [{"role": "user", "content": [{"type": "summary_text", "text": "x"}]}]}, "invalid_value",
     "input[0].content[0].type"),
    ({"input": [{"role": "system", "content": [{"type": "input_image", "image_url": PICTURE}]}]},
     "unsupported_parameter", "input[0].content[0].type"),
    ({"input": [call(arguments="[1]")]}, "invalid_value", "input[0].arguments"),
    ({"input": [call(arguments="{")]}, "invalid_value", "input[0].arguments"),
    ({"input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]}, "missing_required_parameter",
     "input[0].name"),
    ({"input": [{"type": "custom_tool_call", "call_id": "c", "name": "n"}]}, "missing_required_parameter",
     "input[0].input"),
    ({"input": [output(1)]}, "invalid_value", "input[0].call_id"),
    ({"input": [call(1), {"type": "function_call_output", "call_id": "call_1"}]}, "missing_required_parameter",
     "input[1].output"),
    ({"max_output_tokens": 0}, "integer_below_min_value", "max_output_tokens"),
    ({"moderation": {}}, "unsupported_parameter", "moderation"),
    ({"metadata": {"a": 1}}, "invalid_type", "metadata"),
    ({"reasoning": {"effort": "lots"}}, "invalid_value", "reasoning.effort"),
    ({"text": {"format": {"type": "json_schema"}}}, "missing_required_parameter", "text.format.name"),
    ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "missing_required_parameter", "text.format.schema"),
    ({"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "odd"}}}}, "invalid_json_schema",
     "text.format.schema"),
    ({"tools": [{"type": "function"}]}, "missing_required_parameter", "tools[0].name"),
    ({"tools": [{"name": "x"}]}, "missing_required_parameter", "tools[0].type"),
    ({"tools": [function("a b")]}, "invalid_value", "tools[0].name"),
    ({"tools": [function("a"), function("a")]}, "invalid_value", "tools[1].name"),
    ({"tools": [{"type": "namespace", "name": "n", "tools": [function("a b")]}]}, "invalid_value",
     "tools[0].tools[0].name"),
    ({"tools": [{"type": "function", "name": "a", "parameters": {"type": "string"}}]}, "invalid_function_parameters",
     "tools[0].parameters"),
    ({"tool_choice": "required"}, "invalid_value", "tool_choice"),
    ({"tool_choice": "required", "tools": [{"type": "web_search"}]}, "invalid_value", "tool_choice"),
    ({"tool_choice": {"type": "web_search"}, "tools": [function("a")]}, "invalid_value", "tool_choice.type"),
    ({"tool_choice": {"type": "function", "name": "b"}, "tools": [function("a")]}, "invalid_value", "tool_choice.name"),
    ({"tool_choice": {"type": "function"}, "tools": [function("a")]}, "missing_required_parameter", "tool_choice.name"),
    ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [function("b")]}, "tools": [function("a")]},
     "invalid_value", "tool_choice.tools[0].name"),
    ({"tool_choice": {"type": "allowed_tools", "tools": []}, "tools": [function("a")]}, "invalid_value",
     "tool_choice.mode"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code", "param"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_wrong_is_refused_by_its_path(body: dict[str, Any], code: str, param: str) -> None:
    problem = refusal(**body)
    assert (problem.status, problem.code, problem.param) == (400, code, param)


SECRET = "canary-7c1"


@pytest.mark.parametrize(
    "body",
    [
        {"previous_response_id": SECRET},
        {"conversation": {"id": SECRET}},
        {"prompt": {"id": SECRET}},
        {"input": [{"type": "item_reference", "id": SECRET}]},
        {"input": [{**output(), "call_id": SECRET}]},
        {"input": [call(arguments=SECRET)]},
        {"tools": [function(SECRET), function(SECRET)]},
        {"tools": [function("a")], "tool_choice": {"type": SECRET}},
        {"tools": [{"type": "custom", "name": "a", "format": {"type": "grammar", "syntax": SECRET}}]},
    ],
)
def test_a_refusal_repeats_nothing_of_what_was_sent(body: dict[str, Any]) -> None:
    assert SECRET not in refusal(**body).message


def test_counting_the_input_asks_for_no_more_than_the_input() -> None:
    request = decode_input(b'{"model": "m", "input": "Hi", "stream": 7, "tools": [{"type": "web_search"}]}')
    assert asking_of(request, lambda _: None).conversation.messages == [user()]
    with pytest.raises(InvalidRequest):
        decode_input(b'{"model": "m", "input": "Hi", "previous_response_id": "resp_1"}')


WORDS = st.sampled_from(
    ["type", "role", "content", "name", "tools", "function", "namespace", "custom", "message", "reasoning", "id", "x",
     "input_text", "text", "user", "assistant", "input_image", "image_url", "call_id", "arguments", "output", "mode",
     "function_call", "{}", "function_call_output", "item_reference", "allowed_tools", "auto", "parameters", "schema",
     "json_schema", "format", "grammar", ""]
)  # fmt: skip
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=5)),
    max_leaves=20,
)
ITEM = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "function_call", "function_call_output", "custom_tool_call", "reasoning"])},
    optional={
        "role": st.sampled_from(["user", "assistant", "system"]),
        "content": ANYTHING,
        "call_id": st.just("c"),
        "name": WORDS,
        "arguments": st.sampled_from(["{}", "[", "", '{"a": 1}']),
        "output": ANYTHING,
        "input": WORDS,
    },
)
TOOL = st.fixed_dictionaries(
    {"type": st.sampled_from(["function", "custom", "namespace", "x"])},
    optional={"name": WORDS, "tools": ANYTHING, "parameters": ANYTHING, "format": ANYTHING, "description": ANYTHING},
)
BODIES = st.fixed_dictionaries(
    {"model": st.just("m"), "input": st.one_of(st.lists(ITEM, max_size=4), ANYTHING)},
    optional={
        "tools": st.one_of(st.lists(TOOL, max_size=3), ANYTHING),
        "tool_choice": ANYTHING,
        "text": ANYTHING,
        "reasoning": ANYTHING,
        "include": ANYTHING,
        "metadata": ANYTHING,
    },
)


@given(BODIES)
def test_whatever_comes_is_understood_or_refused(body: dict[str, Any]) -> None:
    """Never an exception that the client would see as our fault."""
    try:
        request = decode_response(json.dumps(body).encode())
        found = asking_of(request, lambda _: None)
    except InvalidRequest:
        return
    assert echo_of(request, found.offered)["store"] is False
    assert {turn["role"] for turn in found.conversation.messages} <= {
        "system",
        "developer",
        "user",
        "assistant",
        "tool",
    }


def test_long_names_are_told_apart_too() -> None:
    name = "n" * 64
    spaces = [{"type": "namespace", "name": space, "tools": [function(name)]} for space in ("a", "b")]
    tooling = asking(tools=spaces).conversation.tooling
    assert tooling is not None
    assert len({tool.name for tool in tooling.tools}) == 2
