"""The parsing step for gpt-oss's channels: which events an answer comes to, and whose its tokens are."""

import asyncio
from collections.abc import Sequence
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

TOKENIZER = Tokenizer(Path(ROOT) / "demo" / "assets" / "demo-chat-harmony" / "tokenizer.json")
PROMPT = "<|start|>user<|message|>Hi<|end|><|start|>assistant"
HEADER = ("<|channel|>", "analysis", "<|message|>")
THOUGHT = (*HEADER, "Hm", ".", "<|end|>")
ANSWER = ("<|start|>", "assistant", "<|channel|>", "final", "<|message|>", "It", " <", " is", ".")
CALL = ("<|start|>", "assistant", "<|channel|>", "commentary", " to=", "functions.f", "<|message|>", "{", "}")


def of(texts: Sequence[str], *, logprobs: bool = False) -> list[Event]:
    return [TextDelta(0, text, 1, (ChosenToken(text, -1.0),) if logprobs else None) for text in texts]


def run(events: list[Event], *, logprobs: int | None = None) -> list[Event]:
    generation = Generation("r", PROMPT, 4, 64, Sampling(), top_logprobs=logprobs)

    async def engine() -> EventStream:
        for event in events:
            yield event

    async def parse() -> list[Event]:
        return [event async for event in parsed(engine(), generation, REASONING["openai_gptoss"], TOKENIZER)]

    return asyncio.run(parse())


def ended(tokens: int) -> list[Event]:
    return [Usage(4, tokens), Finish(0, "stop")]


def told(events: list[Event], kind: type) -> tuple[str, int]:
    """All texts of a kind, and its tokens."""
    found = [event for event in events if type(event) is kind]
    return "".join(event.text for event in found), sum(event.tokens for event in found)


def test_thinking_and_answer_are_events_of_their_own_with_their_tokens() -> None:
    events = run([*of((*THOUGHT, *ANSWER)), *ended(15)])
    # The headers' tokens are the thinking's.
    assert told(events, ReasoningDelta) == ("Hm.", 11)
    assert told(events, TextDelta) == ("It < is.", 4)
    (usage,) = [event for event in events if type(event) is Usage]
    assert (usage.output_tokens, usage.reasoning_tokens) == (15, 11)
    assert type(events[-1]) is Finish


def test_a_call_comes_with_its_frame_as_text_for_the_next_step() -> None:
    events = run([*of((*THOUGHT, *CALL)), *ended(15)])
    assert told(events, TextDelta)[0] == "<|start|>assistant to=functions.f<|channel|>commentary<|message|>{}"
    assert told(events, ReasoningDelta)[0] == "Hm."


def test_thinking_may_come_again_after_text() -> None:
    spoken = ("<|channel|>", "commentary", "<|message|>", "I look.", "<|end|>", "<|start|>", "assistant")
    events = run([*of((*spoken, *THOUGHT, *ANSWER)), *ended(22)])
    kinds = [type(event) for event in events if type(event) in (TextDelta, ReasoningDelta) and event.text]
    assert kinds.index(ReasoningDelta) > kinds.index(TextDelta)
    assert told(events, TextDelta)[0] == "I look.It < is."


def test_logprobs_come_for_what_the_user_reads_alone() -> None:
    for tail in ((), ("<|return|>",), CALL):
        events = run([*of((*THOUGHT, *ANSWER, *tail), logprobs=True), *ended(15)], logprobs=0)
        chosen = [token.token for event in events if type(event) is TextDelta for token in event.logprobs or ()]
        assert chosen == ["It", " <", " is", "."]


def test_an_answer_that_begins_again_is_parsed_from_its_beginning() -> None:
    events = run([*of(THOUGHT[:4]), Restart(), *of((*THOUGHT, *ANSWER)), *ended(15)])
    again = events[[type(event) for event in events].index(Restart) :]
    assert told(again, ReasoningDelta) == ("Hm.", 11)
    assert told(again, TextDelta) == ("It < is.", 4)
    assert next(event for event in events if type(event) is Usage).reasoning_tokens == 11


@pytest.mark.parametrize("held", [" <|", "<|channel|>", "<|channel|>final"])
def test_what_is_held_back_at_the_end_is_told_or_dropped(held: str) -> None:
    events = run([*of((*THOUGHT, *ANSWER, held)), *ended(16)])
    assert told(events, TextDelta)[0] == "It < is." + (held if held == " <|" else "")


@given(cuts=st.lists(st.integers(0, 200), max_size=12), tail=st.sampled_from(((), CALL, ("<|end|>", *CALL), THOUGHT)))
def test_any_split_of_the_text_means_the_same_and_no_token_is_lost(cuts: list[int], tail: tuple[str, ...]) -> None:
    whole = (*THOUGHT, *ANSWER, *tail)
    text = "".join(whole)
    places = sorted({min(cut, len(text)) for cut in cuts})
    pieces = [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]
    events, expected = run([*of(pieces), *ended(len(pieces))]), run([*of(whole), *ended(len(whole))])
    for kind in (ReasoningDelta, TextDelta):
        assert told(events, kind)[0] == told(expected, kind)[0]
    assert told(events, ReasoningDelta)[1] + told(events, TextDelta)[1] == len(pieces)
