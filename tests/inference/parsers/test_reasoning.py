"""Thinking and answer are told apart, however an engine cuts the text."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.parsers import REASONING, Markers, Parts, ReasoningParser

HEADER = "<|im_start|>assistant\n"
OPENED = HEADER + "<think>\n"
CLOSED = HEADER + "<think>\n\n</think>\n\n"
PIECES = (
    "<think>",
    "</think>",
    "[THINK]",
    "[/THINK]",
    "<",
    "</",
    "<thi",
    "nk>",
    "</think",
    "[",
    "[/TH",
    "INK]",
    "\n",
    "\r\n",
    " ",
    "I think.",
    "é",
    "<html>",
)
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)
# By channels, gpt-oss tells its thinking: see test_harmony.
MARKED = {name: markers for name, markers in REASONING.items() if isinstance(markers, Markers)}
names = st.sampled_from(sorted(MARKED))
prompts = st.sampled_from((HEADER, OPENED, CLOSED, "[INST] Hi [/INST]", "[INST] Hi [/INST][THINK]", ""))


def parsed(name: str, prompt: str, pieces: list[str]) -> Parts:
    parser = ReasoningParser(MARKED[name], prompt)
    found = [*map(parser.feed, pieces), parser.finish()]
    return Parts("".join(part.reasoning for part in found), "".join(part.content for part in found))


def whole(name: str, prompt: str, text: str) -> tuple[str, str]:
    return tuple(parsed(name, prompt, [text]))


@pytest.mark.parametrize(
    ("name", "prompt", "text", "reasoning", "content"),
    [
        ("qwen3", HEADER, "<think>\nHm.\n</think>\n\nYes.", "Hm.\n", "Yes."),
        ("qwen3", HEADER, "\n<think>Hm.</think>  Yes.", "Hm.", "  Yes."),
        ("qwen3", HEADER, "<think>\n\n</think>\n\nYes.", "", "Yes."),
        ("qwen3", HEADER, "Yes.", "", "Yes."),
        ("qwen3", HEADER, "\n\nYes.", "", "\n\nYes."),
        ("qwen3", OPENED, "Hm.\n</think>\n\nYes.", "Hm.\n", "Yes."),
        ("qwen3", OPENED, "<think>\nHm.\n</think>\n\nYes.", "Hm.\n", "Yes."),
        ("qwen3", CLOSED, "Yes.", "", "Yes."),
        ("qwen3", CLOSED, "<think> is a tag.", "", "<think> is a tag."),
        ("qwen3", OPENED, "Hm, it never", "Hm, it never", ""),
        ("deepseek_r1", HEADER, "Hm.\n</think>\n\nYes.", "Hm.\n", "Yes."),
        ("deepseek_r1", HEADER, "<think>\nHm.\n</think>\n\nYes.", "Hm.\n", "Yes."),
        ("deepseek_r1", CLOSED, "Yes.", "", "Yes."),
        ("mistral", "[/INST]", "[THINK]Hm.[/THINK]Yes.", "Hm.", "Yes."),
        ("mistral", "[/INST]", "<think>Hm.</think>Yes.", "", "<think>Hm.</think>Yes."),
        ("mistral", "[/INST][THINK]", "Hm.[/THINK]Yes.", "Hm.", "Yes."),
    ],
)
def test_each_format_is_read(name: str, prompt: str, text: str, reasoning: str, content: str) -> None:
    assert whole(name, prompt, text) == (reasoning, content)
    assert tuple(parsed(name, prompt, list(text))) == (reasoning, content)


@pytest.mark.parametrize(
    ("prompt", "text", "reasoning", "content"),
    [
        (HEADER, "<thi", "", "<thi"),
        (HEADER, "\n<", "", "\n<"),
        (HEADER, "\n", "", "\n"),
        (HEADER, "<html>", "", "<html>"),
        (OPENED, "Hm.</thin", "Hm.</thin", ""),
        (OPENED, "a </ b <<</think>c", "a </ b <<", "c"),
        (OPENED, "<th", "<th", ""),
    ],
)
def test_a_marker_that_comes_to_nothing_is_text(prompt: str, text: str, reasoning: str, content: str) -> None:
    assert whole("qwen3", prompt, text) == (reasoning, content)


def test_markers_in_the_answer_are_text() -> None:
    text = "<think>Hm.</think>Models write <think> and </think>.<think>So.</think>"
    assert whole("qwen3", HEADER, text) == ("Hm.", "Models write <think> and </think>.<think>So.</think>")
    assert whole("qwen3", HEADER, "A <think> tag</think>") == ("", "A <think> tag</think>")


def test_a_prompt_that_only_mentions_the_marker_opens_nothing() -> None:
    assert whole("qwen3", f"<|im_start|>user\nWhat is <think>?<|im_end|>\n{HEADER}", "A tag.") == ("", "A tag.")


def test_an_answer_of_line_breaks_is_not_held_back_for_ever() -> None:
    parser = ReasoningParser(MARKED["qwen3"], HEADER)
    parts = [parser.feed("\n") for _ in range(17)]
    assert parts[-1] == ("", "\n" * 17)
    assert parser.answering


@given(name=names, prompt=prompts, text=texts, data=st.data())
def test_any_split_means_the_same(name: str, prompt: str, text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert parsed(name, prompt, pieces) == parsed(name, prompt, [text]) == parsed(name, prompt, list(text))


@given(name=names, prompt=prompts, text=texts)
def test_nothing_but_one_pair_of_markers_and_line_breaks_is_lost(name: str, prompt: str, text: str) -> None:
    markers = MARKED[name]
    opening, closing, reasoning, content = map(
        re.escape, (markers.opening, markers.closing, *whole(name, prompt, text))
    )
    lost = rf"[\r\n]*({opening})?[\r\n]*{reasoning}({closing})?[\r\n]*{content}"
    assert re.fullmatch(lost, text)


@given(before=st.text(), after=st.text())
def test_thinking_and_answer_come_back_as_they_were(before: str, after: str) -> None:
    before, after = before.lstrip("\r\n").replace("<", ""), after.lstrip("\r\n")
    assert whole("qwen3", HEADER, f"<think>\n{before}\n</think>\n\n{after}") == (f"{before}\n" if before else "", after)


def test_text_without_markers_costs_next_to_nothing() -> None:
    for prompt in (OPENED, CLOSED):
        parser = ReasoningParser(MARKED["qwen3"], prompt)
        parser.feed("Well")
        spent = []
        for _ in range(5):
            start = time.process_time()
            for _ in range(10_000):
                parser.feed(" word")
            spent.append(time.process_time() - start)
        # Microseconds for each piece; three times what it takes on a slow machine.
        assert min(spent) * 100 < 3
        assert parser.finish() == ("", "")
