"""demo-chat-harmony writes what gpt-oss writes, and the gateway's parsers read it."""

import json
from typing import Any

import httpx
import jsonschema_rs
import pytest

from inference.embedded_triton import EmbeddedTriton
from inference.parsers import TOOL_CALLS, HarmonyParser, ToolCall
from tests.triton.calls import error_of, stream, text_of
from tests.triton.rendering import TOOLS, WEATHER, answered, render

MODEL = "demo-chat-harmony"


def said(triton: EmbeddedTriton, prompt: str, **sampling: Any) -> tuple[str, str]:
    """Thinking and the rest of an answer whose markers are kept."""
    frames = stream(
        triton, prompt, {"temperature": 0, "max_tokens": 500, "skip_special_tokens": False, **sampling}, model=MODEL
    )
    assert frames[-1]["finish_reason"] == "stop", frames[-1]
    parser = HarmonyParser(prompt)
    parts = [*(parser.feed(frame["text_output"]) for frame in frames), parser.finish()]
    return "".join(part.reasoning for part in parts), "".join(part.content for part in parts)


def harmony(messages: Any, tools: list[dict[str, Any]] | None = None, **variables: Any) -> str:
    return render(messages, tools, model=MODEL, **variables)


def test_it_thinks_in_the_analysis_channel_and_answers_in_the_final_one(triton: EmbeddedTriton) -> None:
    prompt = harmony("What is the capital of France?")
    text = text_of(
        stream(triton, prompt, {"temperature": 0, "max_tokens": 500, "skip_special_tokens": False}, model=MODEL)
    )
    assert text.startswith("<|channel|>analysis<|message|>")
    assert "<|end|><|start|>assistant<|channel|>final<|message|>" in text
    # The token that ends the answer is no part of its text.
    assert not text.endswith("|>")
    thought, answer = said(triton, prompt)
    assert "capital" in thought or "France" in thought
    assert "Paris" in answer


def test_markers_vanish_unless_they_are_asked_for(triton: EmbeddedTriton) -> None:
    text = text_of(stream(triton, harmony('Say "hi"'), model=MODEL))
    assert text.startswith("analysis")
    assert text.endswith("assistantfinalhi")


def test_it_calls_one_tool_in_the_commentary_channel(triton: EmbeddedTriton) -> None:
    thought, rest = said(triton, harmony("What is the weather in Rome and in Oslo?", TOOLS))
    assert thought
    parser = TOOL_CALLS["openai"]({})
    found = [*parser.feed(rest), *parser.finish()]
    assert found == [ToolCall("get_weather", '{"city": "Rome"}')]


def test_it_uses_what_a_tool_answered(triton: EmbeddedTriton) -> None:
    call = {"name": "get_weather", "arguments": {"city": "Berlin"}}
    messages = answered(call, '{"degrees": 21}', asked="What is the weather in Berlin?")
    messages[1]["reasoning_content"] = "I look it up."
    prompt = harmony(messages, TOOLS)
    assert "<|channel|>analysis<|message|>I look it up.<|end|>" in prompt
    assert (
        '<|start|>assistant to=functions.get_weather<|channel|>commentary json<|message|>{"city": "Berlin"}<|call|>'
        in prompt
    )
    _, answer = said(triton, prompt)
    assert "get_weather" in answer
    assert "degrees: 21" in answer


def test_a_malformed_call_is_text(triton: EmbeddedTriton) -> None:
    _, rest = said(triton, harmony("[[malformed_call]]"))
    parser = TOOL_CALLS["openai"]({})
    assert not [event for event in (*parser.feed(rest), *parser.finish()) if isinstance(event, ToolCall)]


def test_an_ordered_form_stands_in_the_final_channel(triton: EmbeddedTriton) -> None:
    schema = WEATHER["function"]["parameters"]
    thought, answer = said(triton, harmony("Weather in Rome?"), structured_outputs=json.dumps({"json": schema}))
    assert thought
    assert jsonschema_rs.is_valid(schema, json.loads(answer))


@pytest.mark.parametrize(("variables", "effort"), [({}, "medium"), ({"reasoning_effort": "high"}, "high")])
def test_the_template_names_the_effort_and_the_tools_as_types(variables: dict[str, str], effort: str) -> None:
    tool = {
        "type": "function",
        "function": {
            "name": "book",
            "description": "Book a table.",
            "parameters": {
                "type": "object",
                "properties": {
                    "guests": {"type": "array", "items": {"type": "string"}},
                    "place": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
                    "hour": {"type": ["integer", "null"], "description": "When.", "default": 19},
                    "seat": {"anyOf": [{"enum": ["in", "out"]}, {"type": "null"}]},
                },
                "required": ["guests"],
            },
        },
    }
    prompt = harmony(
        [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}], [tool], **variables
    )
    assert f"\n\nReasoning: {effort}\n\n" in prompt
    assert "<|start|>developer<|message|># Instructions\n\nBe brief.\n\n# Tools" in prompt
    assert (
        "// Book a table.\ntype book = (_: {\nguests: string[],\nplace?: {\ncity: string,\n},\n// When.\n"
        'hour?: integer | null, // default: 19\nseat?: "in" | "out" | null,\n}) => any;\n'
    ) in prompt
    assert prompt.endswith("<|start|>user<|message|>Hi<|end|><|start|>assistant")


def test_it_takes_no_images_and_has_metrics_of_its_own(triton: EmbeddedTriton) -> None:
    refused = stream(triton, harmony("Hi"), model=MODEL, image=["aGVsbG8="])
    assert error_of(refused) == "Error generating stream: demo-chat-harmony is not a multimodal model"
    assert "demo_chat_harmony_requests_total" in httpx.get(triton.metrics_url).text
