"""The tool-calling step: what comes of the events of an engine."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.conversation import Tool, Tooling
from inference.generation import (
    ChosenToken,
    Event,
    EventStream,
    Finish,
    ReasoningDelta,
    Restart,
    TextDelta,
    ToolCalled,
    Usage,
)
from inference.tool_calling import (
    Calling,
    InvalidToolArguments,
    ToolCallMissing,
    called,
    short_id,
    short_ids,
)
from inference.tool_formats import ToolFormat

WEATHER = Tool(
    "get_weather",
    "The weather in a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
TIME = Tool("get_time", None, {"type": "object", "properties": {}})
BREMEN = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Bremen"}}\n</tool_call>'
NOW = '<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>'


def tooling(*tools: Tool, only: Sequence[str] | None = None, **fields: Any) -> Tooling:
    tools = tools or (WEATHER, TIME)
    return Tooling(tools, frozenset(tool.name for tool in tools) if only is None else frozenset(only), **fields)


def calling(
    wanted: Tooling | None = None, form: str = "hermes", *, structured: bool = False, logprobs: bool = False
) -> Calling:
    return Calling(wanted or tooling(), ToolFormat(form), structured=structured, logprobs=logprobs)


async def engine(events: Sequence[Event]) -> EventStream:
    for event in events:
        yield event


def run(
    texts: Sequence[str], step: Calling | None = None, reason: str = "stop", *, logprobs: bool = False
) -> list[Event]:
    events: list[Event] = [TextDelta(0, text, 1, (ChosenToken(text, -1.0),) if logprobs else None) for text in texts]
    events += [Usage(4, len(texts)), Finish(0, reason)]

    async def collect() -> list[Event]:
        return [event async for event in called(engine(events), step or calling(logprobs=logprobs))]

    return asyncio.run(collect())


def told(events: Sequence[Event]) -> tuple[str, list[tuple[str, Any]], str]:
    """Text, calls, and how it ended."""
    (end,) = [event.reason for event in events if isinstance(event, Finish)]
    calls = [(event.name, json.loads(event.arguments)) for event in events if isinstance(event, ToolCalled)]
    return "".join(event.text for event in events if isinstance(event, TextDelta)), calls, end


def tokens(events: Sequence[Event]) -> int:
    return sum(event.tokens for event in events if isinstance(event, TextDelta))


def logprobs_of(events: Sequence[Event]) -> list[str]:
    return [token.token for event in events if isinstance(event, TextDelta) for token in event.logprobs or ()]


def test_calls_come_out_of_the_text_in_order():
    found = run(["I look.", "\n", BREMEN, "\n", NOW])
    assert told(found) == ("I look.\n", [("get_weather", {"city": "Bremen"}), ("get_time", {})], "tool_calls")
    assert tokens(found) == 5
    ids = [event.call_id for event in found if isinstance(event, ToolCalled)]
    assert len(set(ids)) == 2
    assert all(re.fullmatch(r"call_[0-9a-z]{24}", call_id) for call_id in ids)
    assert isinstance(found[-1], Finish)


def test_plain_text_is_passed_on_as_it_is():
    found = run(["Hello", " there", "."])
    assert found == [*(TextDelta(0, text, 1) for text in ("Hello", " there", ".")), Usage(4, 3), Finish(0, "stop")]


@given(st.data())
def test_any_split_gives_the_same(data):
    text = f"Let me see <b>.\n{BREMEN}\n{NOW}\nDone <tool"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=12)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    step = data.draw(st.sampled_from([calling(), calling(logprobs=True)]))
    found = run(pieces, step, logprobs=True)
    assert told(found) == told(run([text]))
    assert tokens(found) == len(pieces)


def test_what_only_looks_like_a_call_is_text():
    for text in ("<tool_call>nonsense</tool_call>", "<tool_call>{", '{"name": "get_time"}'):
        assert told(run(list(text))) == (text, [], "stop")


@pytest.mark.parametrize("only", [("get_time",), ("get_weather",)])
def test_a_tool_that_is_not_offered_now_is_text(only):
    text, calls, end = told(run([BREMEN, NOW], calling(tooling(only=only))))
    assert [name for name, _ in calls] == list(only)
    assert end == "tool_calls"
    assert ("Bremen" in text) == (only == ("get_time",))
    assert told(run([BREMEN], calling(tooling(TIME))))[1:] == ([], "stop")


def test_only_the_first_call_counts_where_one_at_a_time_is_wanted():
    found = run([BREMEN, "\n", NOW, "\n", BREMEN], calling(tooling(parallel=False)))
    assert told(found) == ("", [("get_weather", {"city": "Bremen"})], "tool_calls")


def test_a_call_that_the_limit_cuts_off_is_text_and_the_end_says_so():
    assert told(run([BREMEN[:40]], reason="length")) == (BREMEN[:40], [], "length")
    text, calls, end = told(run([BREMEN, NOW[:20]], reason="length"))
    assert (text, len(calls), end) == (NOW[:20], 1, "length")
    # Nothing is missing but the marker.
    assert told(run([BREMEN], reason="length"))[2] == "tool_calls"
    assert told(run([BREMEN.removesuffix("</tool_call>")]))[1] == [("get_weather", {"city": "Bremen"})]


def test_thinking_and_counts_pass_through():
    events = [ReasoningDelta(0, BREMEN, 5), Usage(4, 0), TextDelta(0, "Hi", 1), Usage(4, 6), Finish(0, "stop")]

    async def collect() -> list[Event]:
        return [event async for event in called(engine(list(events)), calling())]

    assert asyncio.run(collect()) == events


def test_a_restart_forgets_what_was_written():
    events = [TextDelta(0, BREMEN, 3), TextDelta(0, "<tool", 1), Restart(), TextDelta(0, "Hi", 1), Finish(0, "stop")]

    async def collect() -> list[Event]:
        return [event async for event in called(engine(events), calling())]

    found = asyncio.run(collect())
    assert found[found.index(Restart()) :] == [Restart(), TextDelta(0, "Hi", 1), Finish(0, "stop")]


def test_logprobs_are_those_of_the_text():
    pieces = ["It", " is", " <", "b>", " ", *re.findall(r".{1,5}", BREMEN, re.DOTALL), "\n", "<tool_c"]
    found = run(pieces, calling(logprobs=True), logprobs=True)
    assert logprobs_of(found)[:5] == ["It", " is", " <", "b>", " "]
    assert "<tool_c" in logprobs_of(found)
    assert not {"Breme", "call>"} & set(logprobs_of(found))
    assert logprobs_of(run(["Hi", "!"], calling(logprobs=True), logprobs=True)) == ["Hi", "!"]


class TestRequired:
    """The model has to call a tool."""

    ANY = tooling(required=True)
    ONE = tooling(only=["get_weather"], required=True, parallel=False)
    LIST = '[{"name": "get_weather", "arguments": {"city": "Bremen"}}, {"name": "get_time", "arguments": {}}]'

    @pytest.mark.parametrize("size", [1, 7, 1000])
    def test_a_guided_list_is_calls(self, size):
        pieces = [self.LIST[start : start + size] for start in range(0, len(self.LIST), size)]
        found = run(pieces, calling(self.ANY))
        assert told(found) == ("", [("get_weather", {"city": "Bremen"}), ("get_time", {})], "tool_calls")
        assert tokens(found) == len(pieces)

    @pytest.mark.parametrize(
        "text",
        ['{"city": "Bremen"}', ' {"city": "Bremen"}\n', BREMEN, f"I look.\n{BREMEN}",
         '[{"name": "get_weather", "arguments": {"city": "Bremen"}}]',
         '{"name": "get_weather", "parameters": {"city": "Bremen"}}'],
    )  # fmt: skip
    def test_the_one_that_is_named_is_called_in_whatever_form(self, text):
        _, calls, end = told(run(list(text), calling(self.ONE)))
        assert (calls, end) == ([("get_weather", {"city": "Bremen"})], "tool_calls")

    def test_arguments_that_look_like_a_call_are_arguments_where_the_schema_has_them(self):
        tool = Tool("run", None, {"type": "object", "properties": {"name": {}, "arguments": {}}})
        text = '{"name": "run", "arguments": {"a": 1}}'
        wanted = tooling(tool, required=True, parallel=False)
        assert told(run([text], calling(wanted)))[1] == [("run", json.loads(text))]

    @pytest.mark.parametrize("text", ["No.", "[]", "[1]", '{"city": ', "", '[{"name": "other", "arguments": {}}]'])
    @pytest.mark.parametrize("wanted", [ANY, ONE])
    def test_no_call_is_an_error(self, text, wanted):
        with pytest.raises(ToolCallMissing) as caught:
            run([text], calling(wanted))
        assert (caught.value.status, caught.value.code) == (502, "tool_call_missing")

    def test_a_call_that_was_cut_off_ends_with_length(self):
        assert told(run([self.LIST[:30]], calling(self.ANY), "length")) == (self.LIST[:30], [], "length")


class TestStructuredToo:
    """Tools may be called, and an answer without calls has to have a form."""

    STEP = calling(structured=True)

    def test_a_guided_list_is_calls_and_anything_else_is_the_answer(self):
        assert told(run(list(TestRequired.LIST), self.STEP))[1:] == (
            [("get_weather", {"city": "Bremen"}), ("get_time", {})],
            "tool_calls",
        )
        assert told(run([BREMEN], self.STEP))[1] == [("get_weather", {"city": "Bremen"})]
        for text in ('{"a": 1}', "[1, 2]", "[]", '[{"name": 1}]'):
            assert told(run(list(text), self.STEP)) == (text, [], "stop")

    def test_an_object_need_not_wait_for_its_end(self):
        found = run(['{"a"', ": 1}"], self.STEP)
        assert [event.text for event in found if isinstance(event, TextDelta)] == ['{"a"', ": 1}"]


def test_arguments_of_a_strict_tool_have_to_fit():
    strict = Tool(WEATHER.name, None, {**WEATHER.parameters, "additionalProperties": False}, strict=True)
    step = calling(tooling(strict))
    assert told(run([BREMEN], step))[1] == [("get_weather", {"city": "Bremen"})]
    for arguments in ("{}", '{"city": 1}', '{"city": "Bremen", "day": 1}'):
        with pytest.raises(InvalidToolArguments) as caught:
            run([f'<tool_call>{{"name": "get_weather", "arguments": {arguments}}}</tool_call>'], step)
        assert (caught.value.status, caught.value.code) == (502, "invalid_tool_arguments")
    assert told(run(['<tool_call>{"name": "get_weather", "arguments": {}}</tool_call>']))[1] == [("get_weather", {})]


@pytest.mark.parametrize("form", ["mistral", "llama3_json", "qwen3_coder"])
def test_each_format_has_its_parser_and_its_ids(form):
    text = {
        "mistral": '[TOOL_CALLS][{"name": "get_time", "arguments": {}, "id": "abcdefghi"}]',
        "llama3_json": '{"name": "get_time", "parameters": {}}',
        "qwen3_coder": "<tool_call>\n<function=get_time>\n</function>\n</tool_call>",
    }[form]
    found = run(list(text), calling(form=form))
    assert told(found) == ("", [("get_time", {})], "tool_calls")
    (call,) = [event for event in found if isinstance(event, ToolCalled)]
    assert bool(re.fullmatch(r"[0-9a-z]{9}", call.call_id)) == (form == "mistral")


def test_ids_from_elsewhere_are_made_short_and_stay_together():
    messages = [
        {"role": "assistant", "content": "", "tool_calls": [{"id": "call_1", "function": {}}, {"id": "abcdefghi"}]},
        {"role": "tool", "content": "1", "tool_call_id": "call_1"},
        {"role": "user", "content": "?"},
    ]
    first, second, third = short_ids(messages)
    ids = [call["id"] for call in first["tool_calls"]]
    assert ids == [short_id("call_1"), "abcdefghi"]
    assert re.fullmatch(r"[a-zA-Z0-9]{9}", ids[0])
    assert second["tool_call_id"] == ids[0]
    assert third == messages[2]
    assert messages[1]["tool_call_id"] == "call_1"


async def test_closing_the_step_closes_the_engine():
    closed = []

    async def endless() -> AsyncIterator[Event]:
        try:
            while True:
                yield TextDelta(0, "Hm", 1)
        finally:
            closed.append(True)

    async with aclosing(called(endless(), calling())) as events:
        assert await anext(events) == TextDelta(0, "Hm", 1)
    assert closed == [True]
