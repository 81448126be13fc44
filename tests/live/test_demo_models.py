"""The seeded demo models answer through both servers: gpt-oss's format, reading images, embedding, ranking, drawing."""

import base64
import io
import json

import httpx
import openai
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.live.asking import bearer
from tests.stack import Server, Stack

pytestmark = pytest.mark.live

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
ASKED = [{"role": "user", "content": "What is the weather in Rome?"}]
HARMONY = "demo-chat-harmony"


def test_gpt_oss_thinks_calls_a_tool_and_uses_its_result(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=HARMONY, messages=ASKED, tools=[WEATHER])
    (choice,) = answer.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert "weather" in choice.message.reasoning_content
    assert "<|" not in choice.message.reasoning_content
    (call,) = choice.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Rome"})
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0
    messages = [*ASKED, choice.message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    said = client.chat.completions.create(model=HARMONY, messages=messages, tools=[WEATHER]).choices[0]
    assert said.finish_reason == "stop"
    assert said.message.content.endswith("get_weather: sunny") or "says: sunny" in said.message.content


def test_gpt_oss_streams_thinking_before_the_answer(client: openai.OpenAI) -> None:
    question = [{"role": "user", "content": "What is the capital of France?"}]
    chunks = list(client.chat.completions.create(model=HARMONY, messages=question, stream=True))
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    thought = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    answer = "".join(delta.content or "" for delta in deltas)
    assert thought
    assert "Paris" in answer
    assert "<|" not in thought + answer
    assert "analysis" not in thought
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_gpt_oss_keeps_to_a_schema_and_makes_required_calls(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema, "strict": True}}
    answer = client.chat.completions.create(model=HARMONY, messages=ASKED, response_format=form).choices[0]
    assert json.loads(answer.message.content) == {"city": "Rome"}
    forced = client.chat.completions.create(model=HARMONY, messages=ASKED, tools=[WEATHER], tool_choice="required")
    (call,) = forced.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Rome"}


def picture(text: str) -> str:
    """A `data:` URL of an image with a text in it."""
    image, data = Image.new("RGB", (200, 40), "white"), io.BytesIO()
    ImageDraw.Draw(image).text((9, 12), text, font=ImageFont.load_default_imagefont(), fill="black")
    image.save(data, "PNG")
    return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"


def test_text_in_an_image_is_read(client: openai.OpenAI) -> None:
    content = [{"type": "image_url", "image_url": {"url": picture("Invoice 2026-17")}}]
    answer = client.chat.completions.create(model="demo-ocr", messages=[{"role": "user", "content": content}])
    assert answer.choices[0].message.content == "Invoice 2026-17"


def test_the_seeded_tensor_models_answer(client: openai.OpenAI, server: Server, stack: Stack) -> None:
    vectors = client.embeddings.create(model="demo-embed", input=["a harbour", "the harbours"], dimensions=128)
    assert [len(each.embedding) for each in vectors.data] == [128, 128]
    body = {"model": "demo-rerank", "query": "harbour", "documents": ["Bananas", "the harbour"]}
    ranked = httpx.post(f"{server.v1}/rerank", json=body, headers=bearer(stack.api_key), timeout=60).json()
    assert [result["index"] for result in ranked["results"]] == [1, 0]
    drawn = client.images.generate(model="demo-image", prompt="A harbour", size="256x256")
    assert Image.open(io.BytesIO(base64.b64decode(drawn.data[0].b64_json))).size == (256, 256)
