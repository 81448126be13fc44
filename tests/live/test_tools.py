"""Tools, structured output and images through the whole stack, as OpenAI's SDK sees them."""

import base64
import json
from io import BytesIO
from typing import Any, Literal

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletion
from PIL import Image
from pydantic import BaseModel

from tests.inference.wire.openai_types import strict_completion
from tests.live.asking import ask, bearer, call, check, check_broken_stream, check_stream
from tests.stack import Server, Stack

pytestmark = pytest.mark.live

MODEL = "demo-chat"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The current weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
            "required": ["city"],
        },
    },
}
TIME = {"type": "function", "function": {"name": "get_time", "description": "What time it is."}}
QUESTION = ask("What is the weather in Bremen?")
TWO = ask('[[call=get_weather {"city": "Bremen"}]][[call=get_time]]')


def whole(client: openai.OpenAI, messages: list[Any], **fields: Any) -> ChatCompletion:
    """The answer as one, held against the SDK's types."""
    answer = client.chat.completions.with_raw_response.create(model=MODEL, messages=messages, **fields)
    return strict_completion(json.loads(answer.text))


def calls_of(answer: ChatCompletion, index: int = 0) -> list[tuple[str, Any]]:
    """The names and arguments of a choice's calls, which must be how it ended."""
    choice = answer.choices[index]
    assert choice.finish_reason == "tool_calls"
    return [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or ()]


def deltas(chunks: list[dict[str, Any]], index: int = 0) -> list[dict[str, Any]]:
    return [choice["delta"] for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]


def record(server: Server, stack: Stack, request_id: str) -> dict[str, Any]:
    answer = httpx.get(f"{server.v1}/usage/records", headers=bearer(stack.api_key), timeout=30)
    (row,) = [row for row in answer.json()["data"] if row["id"] == request_id]
    return row


def test_a_loop_of_calls_and_results(client):
    messages: list[Any] = list(QUESTION)
    first = whole(client, messages, tools=[WEATHER, TIME])
    ((name, arguments),) = calls_of(first)
    assert name == "get_weather"
    assert arguments["city"] == "Bremen"
    assert first.choices[0].message.content is None
    messages.append(first.choices[0].message.to_dict())
    call_id = first.choices[0].message.tool_calls[0].id
    messages.append({"role": "tool", "tool_call_id": call_id, "content": "17 degrees and drizzle"})
    second = whole(client, messages, tools=[WEATHER, TIME])
    assert second.choices[0].finish_reason == "stop"
    assert "17 degrees and drizzle" in second.choices[0].message.content
    assert second.usage.prompt_tokens > first.usage.prompt_tokens


def test_parallel_calls_stream_each_with_its_own_index(server, stack):
    body = {"model": MODEL, "messages": TWO, "tools": [WEATHER, TIME], "stream": True}
    chunks = check_stream(call(server, stack.api_key, json={**body, "stream_options": {"include_usage": True}}))
    *chunks, last = chunks
    role, first, second, end = deltas(chunks)
    assert (role, end) == ({"role": "assistant", "content": None}, {})
    found = [delta["tool_calls"][0] for delta in (first, second)]
    assert [each["index"] for each in found] == [0, 1]
    assert [each["function"]["name"] for each in found] == ["get_weather", "get_time"]
    assert len({each["id"] for each in found}) == 2
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    # The calls' tokens are on the bill, which says what the engine counted.
    row = record(server, stack, last["id"].removeprefix("chatcmpl-"))
    usage = last["usage"]
    assert (row["input_tokens"], row["output_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert row["output_tokens"] > 20


def test_one_call_at_a_time_where_that_is_wanted(client):
    answer = whole(client, TWO, tools=[WEATHER, TIME], parallel_tool_calls=False)
    assert calls_of(answer) == [("get_weather", {"city": "Bremen"})]


def test_the_streaming_helper_puts_calls_together(client):
    with client.chat.completions.stream(model=MODEL, messages=TWO, tools=[WEATHER, TIME]) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert kinds.count("tool_calls.function.arguments.done") == 2
    assert calls_of(final) == [("get_weather", {"city": "Bremen"}), ("get_time", {})]


async def test_several_choices_call_by_themselves(async_client):
    stream = await async_client.chat.completions.create(
        model=MODEL, messages=TWO, tools=[WEATHER, TIME], n=3, stream=True
    )
    found: dict[int, list[str]] = {0: [], 1: [], 2: []}
    ids = set()
    async for chunk in stream:
        for choice in chunk.choices:
            for each in choice.delta.tool_calls or ():
                assert each.index == len(found[choice.index])
                found[choice.index].append(each.function.name)
                ids.add(each.id)
    assert found == {index: ["get_weather", "get_time"] for index in range(3)}
    assert len(ids) == 6


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("required", {"get_weather", "get_time"}),
        ({"type": "function", "function": {"name": "get_time"}}, {"get_time"}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [WEATHER]}}, {"get_weather"}),
    ],
)
def test_calls_that_have_to_come_do(client, choice, names):
    answer = whole(client, ask("Hello"), tools=[WEATHER, TIME], tool_choice=choice)
    found = calls_of(answer)
    assert found
    assert {name for name, _ in found} <= names
    assert all("city" in arguments for name, arguments in found if name == "get_weather")


def test_a_model_may_answer_or_must(client):
    assert whole(client, ask("Hello"), tools=[WEATHER]).choices[0].finish_reason == "stop"
    answer = whole(client, QUESTION, tools=[WEATHER], tool_choice="none")
    assert answer.choices[0].message.tool_calls is None
    assert answer.choices[0].message.content


def test_what_only_looks_like_a_call_is_text(client):
    answer = whole(client, ask("[[malformed_call]] What is the weather in Bremen?"), tools=[WEATHER])
    assert answer.choices[0].finish_reason == "stop"
    assert "<tool_call>" in answer.choices[0].message.content
    other = whole(client, ask('[[call=launch {"at": 5}]]'), tools=[WEATHER])
    assert other.choices[0].finish_reason == "stop"
    assert '"launch"' in other.choices[0].message.content


def test_it_thinks_before_it_calls(client):
    answer = client.chat.completions.create(
        model=MODEL, messages=QUESTION, tools=[WEATHER], reasoning_effort="low", logprobs=True
    )
    message = answer.choices[0].message
    assert message.reasoning_content
    assert answer.choices[0].finish_reason == "tool_calls"
    assert "think>" not in message.reasoning_content
    assert answer.choices[0].logprobs.content == []
    details = answer.usage.completion_tokens_details
    assert 0 < details.reasoning_tokens < answer.usage.completion_tokens


class Berth(BaseModel):
    """Where a ship lies."""

    quay: str
    number: int
    free: bool
    kind: Literal["river", "sea"]
    tags: list[str]


async def test_the_parse_helper_gets_what_it_asked_for(async_client, client):
    question: Any = ask("Describe a berth.")
    answers = [
        client.chat.completions.parse(model=MODEL, messages=question, response_format=Berth),
        await async_client.chat.completions.parse(model=MODEL, messages=question, response_format=Berth, n=2),
    ]
    for answer in answers:
        for choice in answer.choices:
            assert isinstance(choice.message.parsed, Berth)
            assert choice.finish_reason == "stop"
    tool = openai.pydantic_function_tool(Berth, name="book")
    booked = client.chat.completions.parse(model=MODEL, messages=question, tools=[tool], tool_choice="required")
    (made,) = booked.choices[0].message.tool_calls
    assert isinstance(made.function.parsed_arguments, Berth)


@pytest.mark.parametrize("stream", [True, False])
def test_structured_answers_conform_and_are_refused_where_not(server, stack, stream):
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}, "minItems": 2}}}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {**schema, "required": ["a"]}}}
    body = {"model": MODEL, "messages": ask("Numbers."), "response_format": form, "stream": stream}
    good = call(server, stack.api_key, json=body)
    broken = call(server, stack.api_key, json={**body, "messages": ask("[[misfit]] Numbers.")})
    if stream:
        text = "".join(delta.get("content") or "" for delta in deltas(check_stream(good)))
        check_broken_stream(broken, "server_error", "invalid_structured_output")
    else:
        text = strict_completion(good.json()).choices[0].message.content
        check(broken, 502, "server_error", "invalid_structured_output")
        assert record(server, stack, broken.headers["x-request-id"])["outcome"] == "failed"
    value = json.loads(text)
    assert len(value["a"]) >= 2
    assert all(type(number) is int for number in value["a"])


def test_any_object_and_the_limit(client):
    answer = whole(client, ask("Anything."), response_format={"type": "json_object"})
    assert isinstance(json.loads(answer.choices[0].message.content), dict)
    cut = whole(client, ask("Anything."), response_format={"type": "json_object"}, max_tokens=2)
    assert cut.choices[0].finish_reason == "length"


def test_calls_and_a_form_in_one_request(client):
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "required": ["sky"]}}}
    tools = {"tools": [WEATHER], "response_format": form}
    assert calls_of(whole(client, QUESTION, **tools))[0][0] == "get_weather"
    either = whole(client, ask("Hello"), **tools).choices[0]
    assert either.message.tool_calls or "sky" in json.loads(either.message.content)


def picture(colour: str, size: tuple[int, int], kind: str = "PNG") -> dict[str, Any]:
    data = BytesIO()
    Image.new("RGB", size, colour).save(data, kind)
    url = f"data:image/{kind.lower()};base64,{base64.b64encode(data.getvalue()).decode()}"
    return {"type": "image_url", "image_url": {"url": url, "detail": "low"}}


def test_images_are_looked_at(client):
    content = [{"type": "text", "text": "What do you see?"}, picture("red", (40, 30)), picture("blue", (16, 8), "JPEG")]
    answer = whole(client, [{"role": "user", "content": content}])
    said = answer.choices[0].message.content.lower()
    assert "red" in said
    assert "blue" in said
    assert "40" in said
    assert answer.usage.prompt_tokens > 10


def test_gpt_oss_thinks_calls_and_keeps_to_forms(uvicorn, stack):
    def answer(**fields: Any) -> dict[str, Any]:
        body = call(uvicorn, stack.api_key, json={"model": "demo-chat-harmony", **fields}).json()
        choice: dict[str, Any] = body["choices"][0]
        assert "<|" not in json.dumps(choice)
        return choice

    tools = {"tools": [WEATHER, TIME]}
    first = answer(messages=QUESTION, **tools)
    (made,) = first["message"]["tool_calls"]
    assert json.loads(made["function"]["arguments"]) == {"city": "Bremen"}
    assert (first["message"]["content"], first["finish_reason"]) == (None, "tool_calls")
    assert first["message"]["reasoning"]
    result = {"role": "tool", "tool_call_id": made["id"], "content": "17 degrees"}
    second = answer(messages=[*QUESTION, first["message"], result], **tools)
    assert "17 degrees" in second["message"]["content"]
    named = answer(messages=ask("Hello"), tool_choice={"type": "function", "function": {"name": "get_time"}}, **tools)
    assert [each["function"]["name"] for each in named["message"]["tool_calls"]] == ["get_time"]
    formed = answer(messages=ask("Hello"), response_format={"type": "json_object"})
    assert isinstance(json.loads(formed["message"]["content"]), dict)


def test_a_model_without_sight_refuses_images_by_name(uvicorn, stack):
    body = {"model": "demo-chat-harmony", "messages": [{"role": "user", "content": [picture("red", (4, 4))]}]}
    answer = call(uvicorn, stack.api_key, json=body)
    check(answer, 400, "invalid_request_error", "unsupported_parameter", "messages[0].content[0].image_url")


def test_what_is_no_image_is_refused(server, stack):
    def refused(url: str) -> httpx.Response:
        part = {"type": "image_url", "image_url": {"url": url}}
        return call(server, stack.api_key, json={"model": MODEL, "messages": [{"role": "user", "content": [part]}]})

    param = "messages[0].content[0].image_url"
    for url in ("https://example.com/a.png", "data:image/png;base64,AAAA", "file:///etc/passwd"):
        answer = refused(url)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == param
        assert url not in answer.text
