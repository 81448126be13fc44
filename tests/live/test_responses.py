"""The Responses API through the whole stack, as OpenAI's SDK and agents see it."""

import json
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import Response
from pydantic import BaseModel

from tests.inference.wire.openai_responses import events_of, strict_response
from tests.live.asking import bearer, call, check, check_headers
from tests.stack import Server, Stack

pytestmark = pytest.mark.live

MODEL = "demo-chat"
RESPONSES = "/v1/responses"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "enum": ["Hamburg", "Lübeck"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


def whole(server: Server, key: str, **body: Any) -> Response:
    """The answer as one, held against the SDK's types."""
    answer = call(server, key, path=RESPONSES, json={"model": MODEL, **body})
    assert answer.status_code == 200, answer.text
    check_headers(answer)
    found = strict_response(answer.json())
    assert found.id == f"resp_{answer.headers['x-request-id']}"
    return found


def streamed(server: Server, key: str, **body: Any) -> list[dict[str, Any]]:
    """The events of a stream, each held against the SDK's types."""
    answer = call(server, key, path=RESPONSES, json={"model": MODEL, "stream": True, **body})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    check_headers(answer)
    return events_of(answer.text)


def record(server: Server, stack: Stack, response_id: str) -> dict[str, Any]:
    """The usage record of a response."""
    answer = httpx.get(f"{server.v1}/usage/records", headers=bearer(stack.api_key), timeout=30)
    (row,) = [row for row in answer.json()["data"] if row["id"] == response_id.removeprefix("resp_")]
    return dict(row)


def test_an_answer_validates_and_is_recorded_as_it_says(server, stack):
    answer = whole(server, stack.api_key, input="Where is Hamburg?", instructions="Be brief.", metadata={"a": "b"})
    assert answer.status == "completed"
    assert answer.output_text
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    row = record(server, stack, answer.id)
    assert row["endpoint"] == "responses"
    assert (row["input_tokens"], row["output_tokens"]) == (answer.usage.input_tokens, answer.usage.output_tokens)


def test_streamed_and_whole_answers_are_the_same(server, stack):
    question = {"input": "Describe the harbour.", "temperature": 0}
    events = streamed(server, stack.api_key, **question)
    response = events[-1]["response"]
    answer = whole(server, stack.api_key, **question)
    assert response["output"][0]["content"][0]["text"] == answer.output_text
    assert response["usage"] == answer.usage.to_dict()
    assert sum(event["type"] == "response.output_text.delta" for event in events) > 5
    row = record(server, stack, response["id"])
    assert (row["streamed"], row["output_tokens"]) == (True, answer.usage.output_tokens)


def test_the_helpers_of_the_sdk_work(client):
    class Place(BaseModel):
        city: str
        country: str

    with client.responses.stream(model=MODEL, input="Tell me about bricks.") as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_response()
    assert "response.output_text.delta" in kinds
    assert final.output_text
    parsed = client.responses.parse(model=MODEL, input="Name a place.", text_format=Place)
    assert isinstance(parsed.output_parsed, Place)


async def test_the_asynchronous_helpers_work_too(async_client):
    async with async_client.responses.stream(model=MODEL, input="[[n=12]]") as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_response()
    assert final.usage.output_tokens == 12
    answer = await async_client.responses.create(model=MODEL, input=[{"role": "user", "content": "Hello"}])
    assert answer.output_text


def test_thoughts_come_as_items_sealed_on_request_and_go_back(server, stack):
    asked = {"reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"], "temperature": 0}
    question = {"role": "user", "content": "Why is the sky blue?"}
    events = streamed(server, stack.api_key, input=[question], **asked)
    response = events[-1]["response"]
    thought, said = response["output"]
    assert (thought["type"], thought["summary"], said["type"]) == ("reasoning", [], "message")
    assert "sky" in thought["content"][0]["text"]
    assert response["usage"]["output_tokens_details"]["reasoning_tokens"] > 0
    sealed = thought["encrypted_content"]
    # As Codex sends it: without what was thought in the clear.
    bare = {**thought, "content": None}
    follow_up = {"role": "user", "content": "Really?"}
    for reasoning in (bare, {**bare, "encrypted_content": sealed[:-4] + "AAAA"}, thought):
        whole(server, stack.api_key, input=[question, reasoning, said, follow_up])
    assert "encrypted_content" not in whole(server, stack.api_key, input="Why?", reasoning={"effort": "low"}).output[0]


def test_a_tool_loop_ends_with_an_answer(client):
    history: list[Any] = [{"role": "user", "content": "What is the weather in Hamburg? Use the tool."}]
    first = client.responses.create(model=MODEL, input=history, tools=[WEATHER], tool_choice="required")
    (tool_call,) = [item for item in first.output if item.type == "function_call"]
    assert tool_call.name == "get_weather"
    assert json.loads(tool_call.arguments)["city"] in ("Hamburg", "Lübeck")
    history += first.output
    history.append({"type": "function_call_output", "call_id": tool_call.call_id, "output": "Rain, 7 degrees."})
    second = client.responses.create(model=MODEL, input=history, tools=[WEATHER])
    assert "Rain, 7 degrees." in second.output_text


def test_an_answer_cut_short_is_incomplete(server, stack):
    response = streamed(server, stack.api_key, input="[[n=50]]", max_output_tokens=7)[-1]["response"]
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["usage"]["output_tokens"] == 7
    assert whole(server, stack.api_key, input="[[n=50]]", max_output_tokens=7).status == "incomplete"


def test_a_failure_after_the_first_byte_is_an_event_and_before_it_an_error(server, stack):
    answer = call(server, stack.api_key, path=RESPONSES, json={"model": MODEL, "input": "[[fail=2]]", "stream": True})
    *_, last = events_of(answer.text)
    assert last["type"] == "response.failed"
    assert last["response"]["error"]["code"] == "server_error"
    assert record(server, stack, last["response"]["id"])["outcome"] == "failed"
    body = {"model": MODEL, "input": "[[fail=0]]", "stream": True}
    check(call(server, stack.api_key, path=RESPONSES, json=body), 502, "server_error", "backend_error")


def test_logprobs_come_when_they_are_included(server, stack):
    asked = {"input": "[[n=4]]", "include": ["message.output_text.logprobs"], "top_logprobs": 2}
    (item,) = whole(server, stack.api_key, **asked).output
    # The token that ends the turn is no text.
    assert [len(token.top_logprobs) for token in item.content[0].logprobs] == [2, 2, 2]


def test_input_is_counted_as_it_would_be_billed(client, server, stack):
    asked: dict[str, Any] = {"model": MODEL, "input": "Where is Hamburg?", "instructions": "Be brief."}
    counted = client.responses.input_tokens.count(**asked)
    assert counted.object == "response.input_tokens"
    assert counted.input_tokens == client.responses.create(**asked).usage.input_tokens
    with_tools = client.responses.input_tokens.count(**asked, tools=[WEATHER])
    assert with_tools.input_tokens > counted.input_tokens


def test_a_conversation_that_does_not_fit_is_refused_or_cut(client, server, stack):
    turn = [{"role": "user", "content": "word " * 1500}, {"role": "assistant", "content": "Yes."}]
    long = [*turn * 8, {"role": "user", "content": "[[echo=made it]]"}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input=long)
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.param == "input"
    assert "This model's maximum context length is" in caught.value.message
    answer = whole(server, stack.api_key, input=long, truncation="auto", instructions="Be brief.")
    assert answer.output_text == "made it"
    limit = client.models.retrieve(MODEL).context_length
    assert limit / 2 < answer.usage.input_tokens < limit


STATEFUL = [
    ({"previous_response_id": "resp_1"}, 400, "previous_response_not_found", "previous_response_id"),
    ({"conversation": "conv_1"}, 400, "unsupported_parameter", "conversation"),
    ({"prompt": {"id": "pmpt_1"}}, 400, "unsupported_parameter", "prompt"),
    ({"background": True}, 400, "unsupported_value", "background"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, 404, None, "input"),
]


@pytest.mark.parametrize(("extra", "status", "code", "param"), STATEFUL)
def test_what_needs_something_stored_is_refused(uvicorn, stack, extra, status, code, param):
    answer = call(uvicorn, stack.api_key, path=RESPONSES, json={"model": MODEL, "input": "Hi", **extra})
    error = check(answer, status, "invalid_request_error", code, param)
    assert "stored" in error["message"] or "retention" in error["message"].lower()


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")]
)
def test_stored_responses_are_not_found(uvicorn, stack, method, path):
    asked = {"method": method, "path": f"{RESPONSES}/resp_1{path}"}
    error = check(call(uvicorn, stack.api_key, **asked), 404, "invalid_request_error", None)
    assert "not found" in error["message"]
    assert call(uvicorn, None, **asked).status_code == 401


def test_codex_is_served(server, stack):
    """Its first and second request, as it was recorded: nothing in them is refused."""
    tools = [
        {**WEATHER, "name": "exec_command", "strict": False},
        {
            "type": "namespace",
            "name": "multi_agent_v1",
            "description": "Other agents.",
            "tools": [{**WEATHER, "name": "spawn_agent", "strict": False}],
        },
        {"type": "web_search", "external_web_access": False},
    ]

    def message(role: str, text: str) -> dict[str, Any]:
        return {"type": "message", "id": "msg_1", "role": role, "content": [{"type": "input_text", "text": text}]}

    body: dict[str, Any] = {
        "stream": True,
        "store": False,
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "0b55",
        "client_metadata": {"x-codex-installation-id": "1", "turn_id": "2", "session_id": "3"},
        "input": [
            message("developer", "You are a coding agent."),
            message("developer", "<skills_instructions>"),
            message("user", "<environment_context>"),
            message("user", "say hi"),
        ],
        "tools": tools,
    }
    first = streamed(server, stack.api_key, **body)
    assert first[-1]["response"]["tools"][1]["type"] == "namespace"
    body["input"] += [
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": None, "encrypted_content": "AAAA"},
        {
            "type": "function_call", "status": "completed", "id": "fc_1", "name": "exec_command",
            "arguments": '{"city": "Hamburg"}', "call_id": "call_1",
        },
        {"type": "function_call_output", "id": "fco_1", "call_id": "call_1", "output": "Chunk ID: 1"},
    ]  # fmt: skip
    assert streamed(server, stack.api_key, **body)[-1]["type"] == "response.completed"


def test_references_to_thoughts_are_passed_over(server, stack):
    history = [
        {"role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
        {"type": "item_reference", "id": "rs_1"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]},
        {"role": "user", "content": [{"type": "input_text", "text": "[[echo=made it]]"}]},
    ]
    assert whole(server, stack.api_key, input=history).output_text == "made it"
