"""demo-chat calls tools where the question calls for them, and uses what they answer."""

import json
import re
from typing import Any

import jsonschema_rs
import pytest

from inference.embedded_triton import EmbeddedTriton
from tests.triton.calls import error_of, stream, text_of
from tests.triton.rendering import CALCULATE, CLOCK, READ, TOOLS, WEATHER, answered, render

Call = tuple[str, dict[str, Any]]


def calls_in(text: str) -> list[Call]:
    """The calls of an answer that is made of nothing else."""
    assert re.fullmatch(r"(?:\n?<tool_call>\n[^\n]*\n</tool_call>)+", text), text
    found = [json.loads(body) for body in re.findall(r"<tool_call>\n(.*)\n</tool_call>", text)]
    return [(call["name"], call["arguments"]) for call in found]


def ask(triton: EmbeddedTriton, prompt: str, **sampling: Any) -> str:
    return text_of(stream(triton, prompt, {"temperature": 0, "max_tokens": 600, **sampling}))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("What is the weather in Berlin?", [("get_weather", {"city": "Berlin"})]),
        ("Weather in New York in fahrenheit, please", [("get_weather", {"city": "New York", "unit": "fahrenheit"})]),
        ("Wie ist das Wetter in Köln?", [("get_weather", {"city": "Köln"})]),
        (
            "What's the weather in Berlin and in Paris?",
            [("get_weather", {"city": "Berlin"}), ("get_weather", {"city": "Paris"})],
        ),
        (
            "Read notes.txt and tell me the weather in Rome",
            [("get_weather", {"city": "Rome"}), ("read_file", {"path": "notes.txt"})],
        ),
        ("Read the first 20 lines of /etc/hosts", [("read_file", {"path": "/etc/hosts", "lines": 20})]),
        ("Use calculate: what is 12*(3+4)?", [("calculate", {"expression": "12*(3+4)"})]),
        ("What is the time of the day?", [("now", {})]),
    ],
)
def test_tools_are_called_with_arguments_of_the_question(
    triton: EmbeddedTriton, asked: str, expected: list[Call]
) -> None:
    assert calls_in(ask(triton, render(asked, TOOLS))) == expected


@pytest.mark.parametrize("asked", ["Hello!", "Tell me about ships", "Who was Napoleon?", 'Say "hi"'])
def test_tools_are_left_alone_where_nothing_calls_for_them(triton: EmbeddedTriton, asked: str) -> None:
    assert "<tool_call>" not in ask(triton, render(asked, TOOLS))
    assert "<tool_call>" not in ask(triton, render("What is the weather in Berlin?"))


def test_results_are_used_in_the_next_answer(triton: EmbeddedTriton) -> None:
    call = {"name": "get_weather", "arguments": {"city": "Berlin"}}
    messages = answered(call, '{"degrees": 21, "sky": "clear"}', asked="What is the weather in Berlin?")
    text = ask(triton, render(messages, TOOLS))
    assert "get_weather" in text
    assert "degrees: 21, sky: clear" in text
    assert "<tool_call>" not in text
    again = [*messages, {"role": "assistant", "content": text}, {"role": "user", "content": "And in Rome?"}]
    assert "21" not in ask(triton, render(again, TOOLS))


def test_several_results_are_told_by_the_names_of_their_tools(triton: EmbeddedTriton) -> None:
    messages = answered({"name": "now", "arguments": {}}, "ten past ten", asked="Time, and the weather in Rome?")
    messages[1]["tool_calls"].append(
        {"id": "c2", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Rome"}}}
    )
    messages.append({"role": "tool", "tool_call_id": "c2", "content": "sunny"})
    assert ask(triton, render(messages, TOOLS)).endswith("- now: ten past ten\n- get_weather: sunny")


def test_calls_follow_the_thinking(triton: EmbeddedTriton) -> None:
    text = ask(triton, render("What is the weather in Berlin?", TOOLS, enable_thinking=True))
    thought, closing, rest = text.partition("\n</think>\n\n")
    assert "weather" in thought
    assert closing
    assert calls_in(rest) == [("get_weather", {"city": "Berlin"})]


def test_directives_force_calls_once(triton: EmbeddedTriton) -> None:
    asked = 'Hi [[call=read_file {"path": "a]]b", "more": [[1]]}]] [[call=get_weather]]'
    forced = [("read_file", {"path": "a]]b", "more": [[1]]}), ("get_weather", {})]
    assert calls_in(ask(triton, render(asked, TOOLS))) == forced
    assert calls_in(ask(triton, render(asked))) == forced
    spoken = ask(triton, render("[[call=now]] [[echo=I look.]]"))
    assert spoken.startswith("I look.\n<tool_call>\n")
    messages = answered({"name": "now", "arguments": {}}, "ten", asked=asked)
    assert "<tool_call>" not in ask(triton, render(messages, TOOLS))


def test_a_malformed_call_is_none(triton: EmbeddedTriton) -> None:
    text = ask(triton, render("[[malformed_call]]", TOOLS))
    with pytest.raises(json.JSONDecodeError):
        json.loads(re.findall(r"<tool_call>\n(.*)\n</tool_call>", text, re.DOTALL)[0])


def test_arguments_fit_schemas_that_say_more(triton: EmbeddedTriton) -> None:
    parameters = {
        "type": "object",
        "properties": {
            "flight": {"$ref": "#/$defs/flight"},
            "passengers": {"type": "array", "items": {"type": "string"}, "minItems": 2},
            "class": {"enum": ["economy", "business"]},
            "window": {"type": "boolean"},
        },
        "required": ["flight", "passengers", "class", "window"],
        "$defs": {
            "flight": {
                "type": "object",
                "properties": {"origin": {"type": "string"}, "destination": {"type": "string"}},
                "required": ["origin", "destination"],
            }
        },
    }
    book = {"type": "function", "function": {"name": "book_flight", "description": "", "parameters": parameters}}
    asked = "Book a business flight from Hamburg to Oslo"
    ((name, arguments),) = calls_in(ask(triton, render(asked, [book])))
    assert name == "book_flight"
    assert jsonschema_rs.is_valid(parameters, arguments)
    assert arguments["flight"] == {"origin": "Hamburg", "destination": "Oslo"}
    assert arguments["class"] == "business"


def structured(value: Any, *, key: str = "structured_outputs", kind: str = "json") -> dict[str, Any]:
    return {key: json.dumps({kind: value})}


EVENT = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "date": {"type": "string"},
        "participants": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "date", "participants"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("key", ["structured_outputs", "guided_decoding"])
@pytest.mark.parametrize("schema", [EVENT, json.dumps(EVENT)])
def test_an_answer_keeps_to_a_schema(triton: EmbeddedTriton, key: str, schema: Any) -> None:
    prompt = render("Alice and Bob are going to a science fair on Friday.")
    found = json.loads(ask(triton, prompt, **structured(schema, key=key)))
    assert jsonschema_rs.is_valid(EVENT, found)
    assert found["participants"] == ["Alice", "Bob"]
    assert found["date"] == "Friday"


def test_an_answer_keeps_to_other_forms(triton: EmbeddedTriton) -> None:
    prompt = render("Is it good or bad weather? Bad, I think.")
    assert ask(triton, prompt, **structured(["good", "bad"], kind="choice")) in ("good", "bad")
    assert ask(triton, prompt, **structured(["sunny", "bad"], kind="choice")) == "bad"
    assert re.fullmatch(r"[A-Z]{2}-\d{4}", ask(triton, prompt, **structured(r"[A-Z]{2}-\d{4}", kind="regex")))
    assert isinstance(json.loads(ask(triton, prompt, **structured(True, kind="json_object"))), dict)


def test_a_form_holds_after_the_thinking_and_to_the_end(triton: EmbeddedTriton) -> None:
    thinking = ask(triton, render("Tea?", enable_thinking=True), **structured(EVENT))
    assert jsonschema_rs.is_valid(EVENT, json.loads(thinking.partition("</think>")[2]))
    endless = ask(triton, render("Tea?"), **structured(EVENT), ignore_eos=True, max_tokens=200)
    assert jsonschema_rs.is_valid(EVENT, json.loads(endless))
    frames = stream(triton, render("Tea?"), {"temperature": 0, "max_tokens": 4, **structured(EVENT)})
    assert frames[-1]["finish_reason"] == "length"


def call_list(*tools: dict[str, Any]) -> dict[str, Any]:
    """A list of calls, as a gateway asks for it where one is required."""
    options = [
        {
            "type": "object",
            "properties": {"name": {"enum": [each["function"]["name"]]}, "arguments": each["function"]["parameters"]},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for each in tools
    ]
    return {"type": "array", "minItems": 1, "items": {"anyOf": options}}


def test_a_list_of_calls_has_those_that_the_question_calls_for(triton: EmbeddedTriton) -> None:
    schema = call_list(*TOOLS)
    found = json.loads(ask(triton, render("Weather in Rome and Oslo?", TOOLS), **structured(schema)))
    assert found == [{"name": "get_weather", "arguments": {"city": city}} for city in ("Rome", "Oslo")]
    forced = json.loads(ask(triton, render("[[call=now]]", TOOLS), **structured(schema)))
    assert forced == [{"name": "now", "arguments": {}}]
    some = json.loads(ask(triton, render("Tell me about ships", TOOLS), **structured(schema)))
    assert jsonschema_rs.is_valid(schema, some)
    only = json.loads(ask(triton, render("Weather in Rome?", TOOLS), **structured(WEATHER["function"]["parameters"])))
    assert only == {"city": "Rome"}
    one = {**schema, "maxItems": 1}
    assert len(json.loads(ask(triton, render("Weather in Rome and Oslo?", TOOLS), **structured(one)))) == 1


def test_of_calls_or_an_answer_it_is_what_the_question_calls_for(triton: EmbeddedTriton) -> None:
    either = {"anyOf": [call_list(*TOOLS), {"$ref": "#/$defs/answer"}], "$defs": {"answer": EVENT}}
    asked = "What is the weather in Rome?"
    called = json.loads(ask(triton, render(asked, TOOLS), **structured(either)))
    assert called == [{"name": "get_weather", "arguments": {"city": "Rome"}}]
    plain = json.loads(ask(triton, render("Alice meets Bob on Friday.", TOOLS), **structured(either)))
    assert jsonschema_rs.is_valid(EVENT, plain)
    messages = answered({"name": "get_weather", "arguments": {"city": "Rome"}}, "sunny", asked=asked)
    assert jsonschema_rs.is_valid(EVENT, json.loads(ask(triton, render(messages, TOOLS), **structured(either))))


def test_a_misfit_is_ordered_and_fits_nothing(triton: EmbeddedTriton) -> None:
    for schema in (EVENT, call_list(READ, CALCULATE, CLOCK), {}):
        with pytest.raises(json.JSONDecodeError):
            json.loads(ask(triton, render("[[misfit]] Tea?"), **structured(schema)))


def test_forms_that_are_not_supported_are_refused(triton: EmbeddedTriton) -> None:
    for wrong in (structured("root ::= x", kind="grammar"), structured({"$ref": "#/x"}), structured("(", kind="regex")):
        assert error_of(stream(triton, render("Tea?"), wrong)).startswith("Error generating stream: ")
