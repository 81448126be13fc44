"""gpt-oss's channels: thinking, answer and calls come apart however the text is cut; what is no header is text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.parsers import TOOL_CALLS, Text, ToolCall
from inference.parsers.harmony import HarmonyParser, call_frame
from inference.parsers.tool_calls import Event, joined

PROMPT = "<|start|>user<|message|>Hi<|end|><|start|>assistant"
THOUGHT = "<|channel|>analysis<|message|>Hm.<|end|>"
FINAL = "<|start|>assistant<|channel|>final<|message|>Hello.<|return|>"
CALL = '<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a": 1}<|call|>'
FRAMED = f'{call_frame("functions.f")}{{"a": 1}}<|call|>'


def parsed(prompt: str, pieces: list[str]) -> tuple[str, str]:
    """All of the thinking, and all of the rest."""
    parser = HarmonyParser(prompt)
    parts = [*(parser.feed(piece) for piece in pieces), parser.finish()]
    return "".join(part.reasoning for part in parts), "".join(part.content for part in parts)


def whole(text: str, prompt: str = PROMPT) -> tuple[str, str]:
    found = parsed(prompt, [text])
    assert parsed(prompt, list(text)) == found
    return found


@pytest.mark.parametrize(
    ("text", "reasoning", "content"),
    [
        (THOUGHT + FINAL, "Hm.", "Hello."),
        (THOUGHT + FINAL.removesuffix("<|return|>"), "Hm.", "Hello."),
        (FINAL.removeprefix("<|start|>assistant"), "", "Hello."),
        (THOUGHT + "\n" + FINAL, "Hm.", "Hello."),
        (f"{THOUGHT}<|start|>assistant{THOUGHT}{FINAL}", "Hm.Hm.", "Hello."),
        (THOUGHT.replace("<|end|>", "") + FINAL, "Hm.", "Hello."),
        (THOUGHT.removesuffix("<|end|>"), "Hm.", ""),
        ("<|channel|>commentary<|message|>I look.<|end|>" + FINAL, "", "I look.Hello."),
        ("<|message|>Hello.", "", "Hello."),
        ("<|channel|>analysis", "", ""),
        (THOUGHT + "<|start|>assistant", "Hm.", ""),
        (f"{THOUGHT}{FINAL}\n", "Hm.", "Hello."),
        ("<|channel|>final <|constrain|>json<|message|>{}", "", "{}"),
    ],
)
def test_channels_are_told_apart(text: str, reasoning: str, content: str) -> None:
    assert whole(text) == (reasoning, content)


@pytest.mark.parametrize(
    "header",
    [
        "<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json",
        "<|start|>assistant<|channel|>commentary to=functions.f json",
        "<|start|>assistant<|channel|>commentary to=functions.f<|constrain|>json",
        "<|start|>assistant to=functions.f<|channel|>commentary <|constrain|>json",
        "<|start|>assistant to=functions.f<|channel|>commentary json",
        "<|start|>assistant to=functions.f<|channel|>analysis",
        "<|start|>assistant to=functions.f",
        "<|channel|>commentary to=functions.f",
    ],
)
def test_calls_are_framed_wherever_their_recipient_stands(header: str) -> None:
    assert whole(f'{THOUGHT}{header}<|message|>{{"a": 1}}<|call|>') == ("Hm.", FRAMED)
    # An engine does not send the token that ends the answer.
    assert whole(f'{THOUGHT}{header}<|message|>{{"a": 1}}') == ("Hm.", FRAMED.removesuffix("<|call|>"))
    parser = TOOL_CALLS["openai"]({})
    assert joined([*parser.feed(whole(f'{header}<|message|>{{"a": 1}}')[1]), *parser.finish()]) == [
        ToolCall("f", '{"a": 1}')
    ]


def test_several_calls_and_what_is_said_between_them_keep_their_order() -> None:
    said = "<|start|>assistant<|channel|>commentary<|message|>And now:<|end|>"
    assert whole(f"{THOUGHT}{CALL}{said}{CALL}") == ("Hm.", f"{FRAMED}And now:{FRAMED}")
    parser = TOOL_CALLS["openai"]({})
    found: list[Event] = [*parser.feed(f"{FRAMED}And now:{FRAMED}"), *parser.finish()]
    call = ToolCall("f", '{"a": 1}')
    assert joined(found) == [call, Text("And now:"), call]


@pytest.mark.parametrize(
    "text",
    [
        "Hello.",
        "assistant",
        "to be or not to be",
        "to=5",
        "a < b <|x|>",
        "<|channel|>two words of it<|message|>Hello.",
        "<|start|>user<|message|>Hello.",
        "<|start|>assistant<|channel|>!<|message|>Hello.",
        f"<|channel|>{'x' * 300}<|message|>Hello.",
        "<|cons",
        "<|channel",
    ],
)
def test_what_is_no_header_is_text(text: str) -> None:
    assert whole(text) == ("", text)


@pytest.mark.parametrize(
    ("prompt", "text", "expected"),
    [
        (f"{PROMPT}<|channel|>final<|message|>", "Hello.<|return|>", ("", "Hello.")),
        (f"{PROMPT}<|channel|>analysis<|message|>", "Hm.<|end|>" + FINAL, ("Hm.", "Hello.")),
        (f"{PROMPT}<|channel|>analysis", "<|message|>Hm.<|end|>" + FINAL, ("Hm.", "Hello.")),
        (f"{PROMPT} to=functions.f<|channel|>commentary<|message|>", '{"a": 1}<|call|>', ("", FRAMED)),
        ("Once upon a time", " there was", ("", " there was")),
    ],
)
def test_a_message_that_the_prompt_begins_goes_on(prompt: str, text: str, expected: tuple[str, str]) -> None:
    assert whole(text, prompt) == expected


PIECES = (
    *("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>", "<|constrain|>", "<|", "|>", "<"),
    *(
        "assistant",
        "analysis",
        "commentary",
        "final",
        " to=functions.f",
        "json",
        "user",
        "to=",
        " ",
        "\n",
        "é",
        "Hello",
    ),
    *(THOUGHT, FINAL, CALL, FRAMED, '{"a": 1}', "x" * 120),
)
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=16).map("".join)
prompts = st.sampled_from((PROMPT, f"{PROMPT}<|channel|>final<|message|>", f"{PROMPT}<|channel|>analysis", ""))


@given(prompt=prompts, text=texts, data=st.data())
def test_any_split_means_the_same(prompt: str, text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert parsed(prompt, pieces) == whole(text, prompt)


@given(thought=st.text(), said=st.text())
def test_thinking_and_answer_come_back_as_they_were(thought: str, said: str) -> None:
    thought, said = thought.replace("<", ""), said.replace("<", "")
    text = (
        f"<|channel|>analysis<|message|>{thought}<|end|><|start|>assistant<|channel|>final<|message|>{said}<|return|>"
    )
    assert whole(text) == (thought, said)


@given(text=st.text(alphabet=st.characters(exclude_characters="<ato")))
def test_text_without_channels_is_the_answer(text: str) -> None:
    assert whole(text) == ("", text if text.strip() else "")


def test_hostile_text_takes_no_time() -> None:
    start = time.process_time()
    for text in (*PIECES, "<|start|><|channel|>", "<|start|>assistant<|channel|>"):
        parsed(PROMPT, [text * 5_000])
        parsed(PROMPT, [text] * 5_000)
    assert time.process_time() - start < 8


def test_plain_pieces_of_thinking_need_not_be_fed() -> None:
    parser = HarmonyParser(PROMPT)
    assert not parser.is_thought("Hm")
    parser.feed("<|channel|>analysis<|message|>Hm")
    assert parser.is_thought(" so")
    assert not parser.is_thought("<|")
    parser.feed("<|end|>")
    assert not parser.is_thought(" so")
