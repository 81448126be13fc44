"""The parsing step: what comes of the events of an engine."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.generation import (
    ChosenToken,
    Event,
    EventStream,
    Finish,
    Generation,
    ReasoningDelta,
    Restart,
    Sampling,
    TextDelta,
    Usage,
)
from inference.parsers import REASONING
from inference.parsing import parsed
from inference.tokenization import Tokenizer
from tests.engines import ROOT

TOKENIZER = Tokenizer(Path(ROOT) / "demo" / "assets" / "demo-chat" / "tokenizer.json")
TOKENS = ("<think>", "\n", "The", " ship", ".", "\n", "</think>", "\n\n", "It", " is", " late", ".")


def ended() -> list[Event]:
    return [Usage(4, 12), Finish(0, "stop")]


def asked(prompt: str = "<|im_start|>assistant\n", logprobs: int | None = None) -> Generation:
    return Generation("r", prompt, 4, 64, Sampling(), top_logprobs=logprobs)


def of(texts: Sequence[str], *, logprobs: bool = False) -> list[Event]:
    return [TextDelta(0, text, 1, (ChosenToken(text, -1.0),) if logprobs else None) for text in texts]


async def engine(events: list[Event]) -> EventStream:
    for event in events:
        yield event


async def parse(events: list[Event], generation: Generation, name: str = "qwen3") -> list[Event]:
    return [event async for event in parsed(engine(events), generation, REASONING[name], TOKENIZER)]


def run(events: list[Event], generation: Generation | None = None, name: str = "qwen3") -> list[Event]:
    return asyncio.run(parse([*events], generation or asked(), name))


def told(events: list[Event]) -> tuple[str, str]:
    """Thinking and answer."""
    return tuple("".join(event.text for event in events if type(event) is kind) for kind in (ReasoningDelta, TextDelta))


def reasoning_tokens(events: list[Event]) -> int:
    return sum(event.tokens + event.earlier for event in events if type(event) is ReasoningDelta)


def output_tokens(events: list[Event]) -> int:
    return sum(event.tokens for event in events if type(event) in (ReasoningDelta, TextDelta))


def test_thinking_and_answer_are_told_apart_token_by_token():
    found = run([Usage(4, 0), *of(TOKENS), *ended()])
    assert told(found) == ("The ship.\n", "It is late.")
    # The markers and the line breaks around them are the thinking's.
    assert (reasoning_tokens(found), output_tokens(found)) == (8, 12)
    assert found[0] == Usage(4, 0)
    assert found[-2:] == [Usage(4, 12, reasoning_tokens=8), Finish(0, "stop")]


def test_an_answer_without_thinking_is_left_as_it_is():
    events = [Usage(4, 0), *of(["Hello", " <think>"]), Usage(4, 2), Finish(0, "stop")]
    assert run(events) == events


def test_tokens_that_came_before_it_was_clear_that_they_open_the_thinking_are_counted_once():
    found = run([*of(["<", "thi", "nk>", "Hm", "</think>", "Yes"]), Usage(4, 6), Finish(0, "stop")])
    assert found[:3] == [TextDelta(0, "", 1), TextDelta(0, "", 1), ReasoningDelta(0, "", 1, 2)]
    assert (reasoning_tokens(found), output_tokens(found)) == (5, 6)
    assert told(found) == ("Hm", "Yes")


def test_tokens_of_what_only_looks_like_a_marker_are_the_answers():
    found = run([*of(["<", "html", ">"]), Usage(4, 3), Finish(0, "stop")])
    assert told(found) == ("", "<html>")
    assert (reasoning_tokens(found), output_tokens(found)) == (0, 3)


def test_a_delta_that_holds_both_is_split_by_the_tokenizer():
    thinking, answer = "<think>\nThe ship.\n</think>\n\n", "It is late."
    tokens = TOKENIZER.count_answer(thinking + answer)
    found = run([TextDelta(0, thinking + answer, tokens), Usage(4, tokens), Finish(0, "stop")])
    assert told(found) == ("The ship.\n", "It is late.")
    assert output_tokens(found) == tokens
    assert reasoning_tokens(found) == tokens - TOKENIZER.count_answer(answer) == found[-2].reasoning_tokens


def test_thinking_that_the_limit_cuts_off_is_no_answer():
    found = run([*of(TOKENS[:4]), Usage(4, 4), Finish(0, "length")])
    assert told(found) == ("The ship", "")
    assert found[-2:] == [Usage(4, 4, reasoning_tokens=4), Finish(0, "length")]


@pytest.mark.parametrize(
    ("prompt", "texts", "expected"),
    [
        ("<|im_start|>assistant\n", ["<thi"], ("", "<thi")),
        ("<|im_start|>assistant\n<think>\n", ["Hm", "</thi"], ("Hm</thi", "")),
    ],
)
def test_what_was_held_back_comes_before_the_end(prompt, texts, expected):
    found = run([*of(texts), Usage(4, len(texts)), Finish(0, "length")], asked(prompt))
    assert told(found) == expected
    assert output_tokens(found) == len(texts)
    assert type(found[-1]) is Finish


def test_logprobs_are_those_of_the_answer():
    found = run([*of(TOKENS, logprobs=True), *ended()], asked(logprobs=0))
    chosen = [token.token for event in found if type(event) is TextDelta for token in event.logprobs or ()]
    assert chosen == ["It", " is", " late", "."]
    straight = of(["Hello", "!"], logprobs=True)
    assert run([*straight, *ended()], asked(logprobs=0))[:2] == straight


def test_logprobs_hold_where_the_engine_sends_text_late():
    """As vLLM does with stop sequences: tokens and logprobs at once, their text some characters later."""
    text, sent, events = "", 0, []
    for token in TOKENS:
        text += token
        late = max(sent, len(text) - 5)
        events.append(TextDelta(0, text[sent:late], 1, (ChosenToken(token, -1.0),)))
        sent = late
    events.append(TextDelta(0, text[sent:], 0))
    found = run([*events, *ended()], asked(logprobs=0))
    chosen = [token.token for event in found if type(event) is TextDelta for token in event.logprobs or ()]
    assert chosen == ["It", " is", " late", "."]
    assert told(found) == ("The ship.\n", "It is late.")
    assert output_tokens(found) == len(TOKENS)


def test_logprobs_that_were_held_back_come_at_the_end():
    found = run([*of(["<", "thi"], logprobs=True), Usage(4, 2), Finish(0, "length")], asked(logprobs=0))
    chosen = [token.token for event in found if type(event) is TextDelta for token in event.logprobs or ()]
    assert (chosen, told(found)) == (["<", "thi"], ("", "<thi"))


async def test_closing_the_step_closes_the_engine():
    closed = []

    async def endless() -> AsyncIterator[Event]:
        try:
            while True:
                yield TextDelta(0, "Hm", 1)
        finally:
            closed.append(True)

    async with aclosing(parsed(endless(), asked("<think>"), REASONING["qwen3"], TOKENIZER)) as events:
        assert await anext(events) == ReasoningDelta(0, "Hm", 1)
    assert closed == [True]


@given(
    cuts=st.lists(st.integers(0, len("".join(TOKENS))), max_size=12).map(sorted),
    prompt=st.sampled_from(("", "<think>")),
    logprobs=st.sampled_from((None, 0)),
)
def test_however_the_text_is_cut_the_counts_agree(cuts, prompt, logprobs):
    text = "".join(TOKENS)
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    deltas = of(pieces, logprobs=logprobs is not None)
    found = run([*deltas, Usage(4, len(deltas)), Finish(0, "stop")], asked(prompt, logprobs))
    assert told(found) == ("The ship.\n", "It is late.")
    assert output_tokens(found) == len(deltas)
    assert found[-2].reasoning_tokens == reasoning_tokens(found) <= len(deltas)
    chosen = "".join(
        token.token for event in found if type(event) is TextDelta for token in event.logprobs or () if token.token
    )
    assert chosen.endswith("It is late.") or logprobs is None


def test_an_answer_that_begins_again_thinks_from_the_beginning() -> None:
    broken = of(TOKENS[:9])
    found = run([*broken, Restart(), *of(TOKENS), *ended()])
    again = found[[type(event) for event in found].index(Restart) + 1 :]
    assert again == run([*of(TOKENS), *ended()])
