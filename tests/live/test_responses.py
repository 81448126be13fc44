"""The Responses API through the whole stack, as OpenAI's SDK and agents see it."""

import base64
import io
import json
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import Response
from PIL import Image
from pydantic import BaseModel

from tests.inference.wire.openai_responses import events_of, strict_response
from tests.live import codex
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


@pytest.mark.parametrize("directive", ["[[fail=2]]", "[[dry]]"])
def test_a_failure_after_the_first_byte_is_an_event(server, stack, directive):
    response = streamed(server, stack.api_key, input=directive)[-1]["response"]
    assert response["status"] == "failed"
    assert response["error"]["code"] == "server_error"
    assert record(server, stack, response["id"])["outcome"] == "failed"


def test_a_failure_before_the_first_byte_is_an_error(server, stack):
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


def writes(*calls: tuple[str, dict[str, Any]], text: str = "") -> str:
    """A question that the demo answers with these calls, as its model writes them, after a text."""
    written = [json.dumps({"name": name, "arguments": arguments}) for name, arguments in calls]
    answer = "\n".join([text, *(f"<tool_call>\n{one}\n</tool_call>" for one in written)])
    return f"[[echo64={base64.b64encode(answer.encode()).decode()}]]"


def test_codex_works_through_a_loop_of_calls(server, stack):
    """Requests as it sends them, and of each answer what it needs."""

    def ask(body: dict[str, Any]) -> list[dict[str, Any]]:
        answer = call(server, stack.api_key, path=RESPONSES, content=codex.encoded(body), headers=codex.HEADERS)
        assert answer.status_code == 200, answer.text
        events = events_of(answer.text)
        assert events[-1]["type"] == "response.completed"
        done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
        assert events[-1]["response"]["output"] == done
        return done

    body = codex.first_request(MODEL, "Please exec the command that lists the files.")
    (ran,) = ask(body)
    assert ran["name"] == "exec_command"
    assert json.loads(ran["arguments"])["cmd"]
    body = codex.next_request(body, [ran], {ran["call_id"]: "Chunk ID: 1\nREADME.md"})
    (answered,) = ask(body)
    assert "README.md" in answered["content"][0]["text"]
    # It thinks, keeps that sealed, and goes on.
    body = codex.next_request(body, [answered], {})
    body["input"].append(codex.message("user", "Why is the sky blue?"))
    thought, answered = ask({**body, "reasoning": {"effort": "low", "summary": "auto"}})
    assert thought["encrypted_content"]
    body = codex.next_request(body, [thought, answered], {})
    body["input"].append(codex.message("user", writes(("spawn_agent", {"message": "Look."}), text="I look.")))
    said, spawned = ask(body)
    assert said["content"][0]["text"].strip() == "I look."
    assert (spawned["name"], spawned["namespace"]) == ("spawn_agent", "multi_agent_v1")
    body = codex.next_request(body, [said, spawned], {spawned["call_id"]: "agent 1"})
    body["input"].append(codex.message("user", "[[echo=made it]]"))
    assert ask(body)[0]["content"][0]["text"] == "made it"


def test_a_model_of_gpt_oss_kind_thinks_calls_and_goes_on(uvicorn, stack):
    """Its channels become items, and what it thought before a call goes back to it sealed."""
    asked = {
        "model": "demo-chat-harmony",
        "instructions": "Be brief.",
        "tools": [WEATHER],
        "reasoning": {"effort": "low"},
        "include": ["reasoning.encrypted_content"],
    }
    history: list[dict[str, Any]] = [{"role": "user", "content": "What is the weather in Hamburg?"}]
    events = streamed(uvicorn, stack.api_key, input=history, **asked)
    thought, called = events[-1]["response"]["output"]
    assert (thought["type"], called["type"], called["name"]) == ("reasoning", "function_call", "get_weather")
    result = {"type": "function_call_output", "call_id": called["call_id"], "output": "Rain, 7 degrees."}
    history += [{**thought, "content": None}, called, result]
    assert "Rain, 7 degrees." in whole(uvicorn, stack.api_key, input=history, **asked).output_text


CUSTOM = {"type": "custom", "name": "apply_patch", "description": "Edits files."}


def test_parallel_calls_and_custom_tools_stream_each_in_turn(server, stack):
    question = writes(("get_weather", {"city": "Hamburg"}), ("apply_patch", {"input": "*** Begin"}))
    events = streamed(server, stack.api_key, input=question, tools=[WEATHER, CUSTOM])
    names = [event["type"].removeprefix("response.") for event in events]
    assert names[2:-1] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
    ]
    weather, patch = events[-1]["response"]["output"]
    assert patch["input"] == "*** Begin"
    assert weather["call_id"] != patch["call_id"]
    one = whole(server, stack.api_key, input=question, tools=[WEATHER, CUSTOM], parallel_tool_calls=False)
    assert [item.type for item in one.output] == ["function_call"]
    results: list[dict[str, Any]] = [
        {"type": "function_call_output", "call_id": weather["call_id"], "output": "Rain."},
        {"type": "custom_tool_call_output", "call_id": patch["call_id"], "output": "Done."},
    ]
    history = [{"role": "user", "content": question}, weather, patch, *results]
    assert whole(server, stack.api_key, input=history, tools=[WEATHER, CUSTOM]).status == "completed"


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ({"type": "function", "name": "get_weather"}, "get_weather"),
        ({"type": "custom", "name": "apply_patch"}, "apply_patch"),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "custom", "name": "apply_patch"}]},
            "apply_patch",
        ),
    ],
)
def test_a_choice_is_kept_to(uvicorn, stack, choice, name):
    answer = whole(uvicorn, stack.api_key, input="Go.", tools=[WEATHER, CUSTOM], tool_choice=choice)
    assert [item.name for item in answer.output] == [name]
    never = whole(uvicorn, stack.api_key, input=writes(("get_weather", {})), tools=[WEATHER], tool_choice="none")
    assert [item.type for item in never.output] == ["message"]


async def test_the_streaming_helper_parses_calls(async_client):
    question = writes(("get_weather", {"city": "Hamburg"}))
    async with async_client.responses.stream(model=MODEL, input=question, tools=[WEATHER]) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert "response.function_call_arguments.delta" in kinds
    (item,) = final.output
    assert item.parsed_arguments == {"city": "Hamburg"}


def test_images_are_seen_in_messages_and_in_what_tools_give_back(server, stack):
    def picture(width: int, height: int) -> dict[str, Any]:
        file = io.BytesIO()
        Image.new("RGB", (width, height), "red").save(file, "PNG")
        url = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
        return {"type": "input_image", "image_url": url, "detail": "auto"}

    question = {"role": "user", "content": [{"type": "input_text", "text": "What do you see?"}, picture(30, 20)]}
    answer = whole(server, stack.api_key, input=[question])
    assert "30" in answer.output_text
    assert "20" in answer.output_text
    called = {"type": "function_call", "call_id": "call_1", "name": "view_image", "arguments": "{}"}
    shown = {"type": "function_call_output", "call_id": "call_1", "output": [picture(44, 33)]}
    answer = whole(server, stack.api_key, input=[{"role": "user", "content": "Look at it."}, called, shown])
    assert "44" in answer.output_text
    assert "33" in answer.output_text


def test_references_to_thoughts_are_passed_over(server, stack):
    history = [
        {"role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
        {"type": "item_reference", "id": "rs_1"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]},
        {"role": "user", "content": [{"type": "input_text", "text": "[[echo=made it]]"}]},
    ]
    assert whole(server, stack.api_key, input=history).output_text == "made it"
