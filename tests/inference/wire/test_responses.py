"""Responses on the wire: exact sequences of events, and the whole object."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.errors import ApiError
from inference.api.schemas.responses import asking_of, decode_response, echo_of
from inference.errors import (
    BackendFailed,
    BackendTimeout,
    BackendUnavailable,
    ContextLengthExceeded,
    InvalidRequest,
    shutting_down,
)
from inference.generation import ChosenToken, Event, Finish, ReasoningDelta, TextDelta, TokenLogprob, ToolCalled, Usage
from inference.runs import runs_of
from inference.wire.responses import ResponseEncoder
from tests.inference.wire.openai_responses import events_of, strict_response

USAGE = Usage(input_tokens=7, output_tokens=6, cached_input_tokens=2, reasoning_tokens=1)
TOOLS = [
    {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}, "strict": None},
    {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'}},
    {
        "type": "namespace",
        "name": "agents",
        "description": "Other agents.",
        "tools": [{"type": "function", "name": "spawn", "parameters": {"type": "object", "properties": {}}}],
    },
    {"type": "web_search"},
]


def encoder(*, logprobs: bool = False, seal: Any = None, **body: Any) -> ResponseEncoder:
    request = decode_response(json.dumps({"model": "demo-chat", "input": "Hi", "tools": TOOLS, **body}).encode())
    offered = asking_of(request, lambda _: None).offered
    echo = echo_of(request, offered)
    described = {"request_id": "0199f0", "created": 1_795_222_454, "model": "demo-chat", "echo": echo}
    return ResponseEncoder(names=offered.names, logprobs=logprobs, seal=seal, **described)


def streamed(*events: Event, **options: Any) -> list[dict[str, Any]]:
    writer = encoder(**options)
    return events_of(b"".join(map(writer.frame, events)).decode())


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


TEXT = [
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
]
THOUGHT = [name.replace("output_text", "reasoning_text") for name in TEXT]
CALL = ["output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"]
CUSTOM = [name.replace("function_call_arguments", "custom_tool_call_input") for name in CALL]
BEGIN = ["created", "in_progress"]


def test_text() -> None:
    events = streamed(TextDelta(0, "Hel", 1), TextDelta(0, "lo.", 1), USAGE, Finish(0, "stop"))
    assert names(events) == [*BEGIN, *TEXT[:3], *TEXT[2:], "completed"]
    assert events[2]["item"] == {
        "id": "msg_0199f0_0", "type": "message", "status": "in_progress", "role": "assistant", "content": [],
    }  # fmt: skip
    assert events[3]["part"] == {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    assert [event["delta"] for event in events[4:6]] == ["Hel", "lo."]
    response = events[-1]["response"]
    assert response["id"] == "resp_0199f0"
    assert response["completed_at"] >= response["created_at"]
    assert response["output"][0]["content"][0]["text"] == "Hello."
    assert response["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
        "output_tokens": 6,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 13,
    }


def test_a_count_begins_no_stream_so_that_errors_after_it_are_plain() -> None:
    writer = encoder()
    assert writer.frame(USAGE) == b""
    assert writer.frame(TextDelta(0, "", 1)).startswith(b"event: response.created\n")


def test_thoughts_come_as_an_item_before_the_answer() -> None:
    events = streamed(ReasoningDelta(0, "Hm", 1), ReasoningDelta(0, ".", 1), TextDelta(0, "Yes."), Finish(0, "stop"))
    assert names(events) == [*BEGIN, *THOUGHT[:3], *THOUGHT[2:], *TEXT, "completed"]
    assert events[-1]["response"]["output"][0] == {
        "id": "rs_0199f0_0",
        "type": "reasoning",
        "status": "completed",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "Hm."}],
    }


def test_sealed_thoughts_come_with_the_finished_item() -> None:
    said = (ReasoningDelta(0, "Hm."), TextDelta(0, "Yes."), Finish(0, "stop"))
    events = streamed(*said, seal=lambda text: f"sealed{len(text)}")
    (done,) = [event for event in events if event["type"] == "response.output_item.done" and not event["output_index"]]
    assert done["item"]["encrypted_content"] == "sealed3"


def test_a_call() -> None:
    events = streamed(TextDelta(0, "\n"), ToolCalled(0, "call_1", "weather", '{"a": 1}'), Finish(0, "tool_calls"))
    assert names(events) == [*BEGIN, *CALL, "completed"]
    assert events[2]["item"] == {
        "id": "fc_0199f0_0",
        "type": "function_call",
        "status": "in_progress",
        "call_id": "call_1",
        "name": "weather",
        "arguments": "",
    }
    assert events[4]["name"] == "weather"
    assert events[5]["item"]["status"] == "completed"
    assert events[5]["item"]["arguments"] == '{"a": 1}'


def test_parallel_calls_of_each_kind_follow_the_text() -> None:
    events = streamed(
        TextDelta(0, "I look."),
        ToolCalled(0, "call_1", "weather", "{}"),
        TextDelta(0, "\n"),
        ToolCalled(0, "call_2", "patch", '{"input": "*** Begin"}'),
        ToolCalled(0, "call_3", "spawn", "{}"),
        TextDelta(0, "\n"),
        Finish(0, "tool_calls"),
    )
    assert names(events) == [*BEGIN, *TEXT, *CALL, *CUSTOM, *CALL, "completed"]
    text, plain, custom, spaced = events[-1]["response"]["output"]
    assert text["content"][0]["text"] == "I look."
    assert "namespace" not in plain
    assert custom == {
        "id": "ctc_0199f0_2",
        "type": "custom_tool_call",
        "status": "completed",
        "call_id": "call_2",
        "name": "patch",
        "input": "*** Begin",
    }
    assert (spaced["name"], spaced["namespace"]) == ("spawn", "agents")


@pytest.mark.parametrize("arguments", ["{", '["input"]', '{"input": 1}', '{"other": "x"}'])
def test_a_custom_call_that_is_not_as_asked_for_comes_as_it_is(arguments: str) -> None:
    events = streamed(ToolCalled(0, "call_1", "patch", arguments), Finish(0, "tool_calls"))
    assert events[-1]["response"]["output"][0]["input"] == arguments


def test_an_answer_cut_short_is_incomplete() -> None:
    events = streamed(ReasoningDelta(0, "Hm."), TextDelta(0, "Ye"), USAGE, Finish(0, "length"))
    assert names(events) == [*BEGIN, *THOUGHT, *TEXT, "incomplete"]
    response = events[-1]["response"]
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert [item["status"] for item in response["output"]] == ["completed", "incomplete"]
    assert response["usage"]["output_tokens"] == 6
    assert response["completed_at"] is None


def test_thinking_cut_short_has_no_message() -> None:
    (item,) = streamed(ReasoningDelta(0, "Hm."), Finish(0, "length"))[-1]["response"]["output"]
    assert (item["type"], item["status"]) == ("reasoning", "incomplete")


@pytest.mark.parametrize("blank", ["", "\n \n"])
def test_an_answer_of_nothing_is_a_message(blank: str) -> None:
    events = streamed(TextDelta(0, blank, 1), Finish(0, "stop"))
    (item,) = events[-1]["response"]["output"]
    assert item["content"][0]["text"] == blank


def test_blanks_before_a_text_belong_to_it() -> None:
    events = streamed(ReasoningDelta(0, "Hm."), TextDelta(0, "\n"), TextDelta(0, "\nYes"), Finish(0, "stop"))
    assert events[-1]["response"]["output"][1]["content"][0]["text"] == "\n\nYes"


def test_logprobs_come_with_deltas_and_the_whole_part() -> None:
    token = ChosenToken("Hé", -0.5, (TokenLogprob("Hé", -0.5), TokenLogprob("H\ufffd", float("-inf"))))
    events = streamed(TextDelta(0, "Hé", 1, (token,)), Finish(0, "stop"), logprobs=True, top_logprobs=2)
    expected = [
        {
            "token": "Hé",
            "logprob": -0.5,
            "bytes": [72, 195, 169],
            "top_logprobs": [
                {"token": "Hé", "logprob": -0.5, "bytes": [72, 195, 169]},
                {"token": "H\ufffd", "logprob": -9999.0, "bytes": []},
            ],
        }
    ]
    (delta,) = [event for event in events if event["type"].endswith("text.delta")]
    assert delta["logprobs"] == expected
    assert events[-1]["response"]["output"][0]["content"][0]["logprobs"] == expected
    unasked = streamed(TextDelta(0, "Hé", 1, (token,)), Finish(0, "stop"))
    assert unasked[-1]["response"]["output"][0]["content"][0]["logprobs"] == []


OVERLONG = BackendTimeout("Too long.")
OVERLONG.overlong = True


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BackendFailed("It broke off."), "server_error"),
        (BackendTimeout("It is slow."), "server_error"),
        (shutting_down(), "server_error"),
        (OVERLONG, "invalid_prompt"),
        (InvalidRequest("No."), "invalid_prompt"),
        (ContextLengthExceeded("Too much."), "context_length_exceeded"),
        (BackendUnavailable("All are full."), "server_is_overloaded"),
        (ApiError("Slow down.", code="rate_limit_exceeded"), "rate_limit_exceeded"),
        (ApiError("No money.", code="insufficient_quota"), "insufficient_quota"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_failure_ends_the_stream_with_a_code_that_agents_understand(error: ApiError, code: str) -> None:
    writer = encoder()
    said = (ReasoningDelta(0, "Hm."), TextDelta(0, "Yes"))
    events = events_of((b"".join(map(writer.frame, said)) + writer.failed(error)).decode())
    assert names(events) == [*BEGIN, *THOUGHT, *TEXT[:3], "failed"]
    response = events[-1]["response"]
    assert response["error"] == {"code": code, "message": error.message}
    assert response["usage"] is None
    assert [item["type"] for item in response["output"]] == ["reasoning"]


def test_a_failure_after_nothing_but_comments_begins_the_response_too() -> None:
    events = events_of(encoder().failed(BackendUnavailable("All are full.")).decode())
    assert names(events) == [*BEGIN, "failed"]


def test_what_the_request_asked_for_is_repeated() -> None:
    asked = {
        "instructions": "Be brief.",
        "max_output_tokens": 9,
        "max_tool_calls": 3,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "prompt_cache_key": "k",
        "reasoning": {"effort": "low", "summary": "auto"},
        "safety_identifier": "s",
        "temperature": 0.5,
        "tool_choice": {"type": "function", "name": "weather"},
        "top_p": 0.9,
        "top_logprobs": 3,
        "truncation": "auto",
        "user": "u",
        "text": {
            "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True},
            "verbosity": "low",
        },
    }
    response = streamed(Finish(0, "stop"), **asked)[-1]["response"]
    asked["text"]["format"]["description"] = None  # type: ignore[index]
    assert {key: response[key] for key in asked} == asked
    function, custom, namespace = response["tools"]
    assert function == {**TOOLS[0], "description": None}
    assert custom == {**TOOLS[1], "description": None}
    assert namespace["tools"][0]["name"] == "spawn"
    assert response["service_tier"] == "default"


def test_what_it_did_not_ask_for_has_its_default() -> None:
    response = streamed(Finish(0, "stop"), tools=None, store=True, service_tier="flex")[-1]["response"]
    defaults = {
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
    }
    assert {key: response[key] for key in defaults} == defaults


def test_lone_surrogates_of_an_engine_are_no_text() -> None:
    said = (ReasoningDelta(0, "\ud800"), TextDelta(0, "a\udfff"), ToolCalled(0, "call_1", "weather", '{"a": "\ud800"}'))
    output = streamed(*said, Finish(0, "stop"), seal=lambda text: text)[-1]["response"]["output"]
    assert output[1]["content"][0]["text"] == "a?"


TEXTS = st.text(st.sampled_from("ab \n"), max_size=4)
EVENT = st.one_of(
    st.builds(lambda text: TextDelta(0, text, 1), TEXTS),
    st.builds(lambda text: ReasoningDelta(0, text, 1), TEXTS),
    st.builds(lambda number: ToolCalled(0, f"call_{number}", "weather", "{}"), st.integers(0, 10**6)),
)


@given(st.lists(EVENT, max_size=8), st.sampled_from(["stop", "length", "tool_calls"]))
async def test_a_whole_answer_is_what_its_stream_ends_with(events: list[Event], reason: str) -> None:
    """Whatever comes: the stream is well-formed, and the whole object has the same output."""
    events = [*events, USAGE, Finish(0, reason)]

    async def stream() -> Any:
        for event in events:
            yield event

    streaming, whole = encoder(), encoder()
    sent = b"".join(map(streaming.frame, events))
    for event in await runs_of(stream()):
        whole.frame(event)
    last = events_of(sent.decode())[-1]["response"]
    body = json.loads(whole.body)
    strict_response(body)
    assert {**body, "completed_at": 0} == {**last, "completed_at": 0}
