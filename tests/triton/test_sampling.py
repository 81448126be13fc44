"""demo-chat does what its sampling parameters say."""

import json
from typing import Any

import pytest
from tokenizers import Tokenizer

from inference.embedded_triton import EmbeddedTriton
from tests.engines import ROOT
from tests.triton.calls import chat, stream, text_of, tokens_of

QUESTION = chat("Tell me about the harbour of Hamburg and its ships")
EOS = 2


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(ROOT / "demo" / "assets" / "demo-chat" / "tokenizer.json"))


def sampled(frames: list[dict[str, Any]]) -> list[int]:
    """Ids of the generated tokens; needs `logprobs` in the sampling parameters."""
    return [int(next(iter(entries))) for frame in frames for entries in json.loads(frame["logprobs"])]


def answer(triton: EmbeddedTriton, **sampling: Any) -> str:
    return text_of(stream(triton, QUESTION, {"max_tokens": 300, **sampling}))


def test_temperature_zero_repeats_exactly(triton: EmbeddedTriton) -> None:
    assert len({answer(triton, temperature=0) for _ in range(3)}) == 1
    assert answer(triton, temperature=0, seed=1) == answer(triton, temperature=0, seed=2)


def test_a_seed_repeats_and_another_differs(triton: EmbeddedTriton) -> None:
    assert answer(triton, seed=7) == answer(triton, seed=7)
    assert len({answer(triton, seed=seed) for seed in range(5)}) > 1
    assert answer(triton, seed=7, temperature=0.5) != answer(triton, seed=7, temperature=1.5)


def test_without_a_seed_answers_vary(triton: EmbeddedTriton) -> None:
    assert len({answer(triton) for _ in range(5)}) > 1
    assert len({answer(triton, top_k=1) for _ in range(3)}) == 1


def test_asking_for_logprobs_does_not_change_the_text(triton: EmbeddedTriton) -> None:
    assert answer(triton, seed=7, logprobs=5) == answer(triton, seed=7)


def test_an_answer_ends_by_itself_at_a_natural_length(triton: EmbeddedTriton) -> None:
    frames = stream(triton, QUESTION, {"temperature": 0, "max_tokens": 2000})
    assert frames[-1]["finish_reason"] == "stop"
    assert 40 <= tokens_of(frames) <= 300


@pytest.mark.parametrize("limit", [1, 2, 25])
def test_max_tokens_is_exact(triton: EmbeddedTriton, limit: int) -> None:
    frames = stream(triton, QUESTION, {"temperature": 0, "max_tokens": limit})
    assert (tokens_of(frames), frames[-1]["finish_reason"]) == (limit, "length")


@pytest.mark.parametrize("width", [1, 3, 12, 30])
def test_text_ends_before_a_stop_wherever_the_tokens_break(triton: EmbeddedTriton, width: int) -> None:
    full = answer(triton, temperature=0)
    for start in (5, 40, 77):
        stop = full[start : start + width]
        expected = full[: full.index(stop)]
        frames = stream(triton, QUESTION, {"temperature": 0, "max_tokens": 300, "stop": ["nowhere to be found", stop]})
        assert text_of(frames) == expected
        assert frames[-1]["finish_reason"] == "stop"
        kept = answer(triton, temperature=0, stop=stop, include_stop_str_in_output=True)
        assert kept == expected + stop


def test_no_delta_shows_the_beginning_of_a_stop(triton: EmbeddedTriton) -> None:
    prompt = chat("[[echo=one two three END four]]")
    frames = stream(triton, prompt, {"temperature": 0, "max_tokens": 50, "stop": [" three END"]})
    assert text_of(frames) == "one two"


def test_stop_is_ignored_before_min_tokens(triton: EmbeddedTriton) -> None:
    frames = stream(triton, QUESTION, {"temperature": 0, "max_tokens": 60, "min_tokens": 30, "stop": [" "]})
    assert 30 < tokens_of(frames) < 60


def test_min_tokens_keeps_an_answer_going(triton: EmbeddedTriton) -> None:
    short = stream(triton, chat("Hello!"), {"temperature": 0, "max_tokens": 200})
    long = stream(triton, chat("Hello!"), {"temperature": 0, "max_tokens": 200, "min_tokens": 100})
    assert tokens_of(short) < 30
    assert tokens_of(long) >= 100
    assert text_of(long).startswith(text_of(short))


def test_ignore_eos_goes_on_to_max_tokens(triton: EmbeddedTriton) -> None:
    frames = stream(triton, chat("Hello!"), {"temperature": 0, "max_tokens": 150, "ignore_eos": True})
    assert (tokens_of(frames), frames[-1]["finish_reason"]) == (150, "length")


def test_stop_token_ends_the_answer_and_is_not_in_the_text(triton: EmbeddedTriton, tokenizer: Tokenizer) -> None:
    comma = tokenizer.encode(",").ids
    prompt = chat("[[echo=first, second]]")
    frames = stream(triton, prompt, {"temperature": 0, "max_tokens": 50, "stop_token_ids": comma})
    assert (text_of(frames), frames[-1]["finish_reason"]) == ("first", "stop")
    sampling = {"max_tokens": 50, "stop_token_ids": comma, "include_stop_str_in_output": True}
    assert text_of(stream(triton, prompt, sampling)) == "first,"


def test_bias_of_minus_100_bans_a_token_and_100_forces_it(triton: EmbeddedTriton, tokenizer: Tokenizer) -> None:
    base = {"temperature": 0, "max_tokens": 120, "logprobs": 0}
    usual = sampled(stream(triton, QUESTION, base))
    often = max(set(usual), key=usual.count)
    banned = sampled(stream(triton, QUESTION, {**base, "logit_bias": {str(often): -100}}))
    assert often not in banned
    (word,) = tokenizer.encode(" yes").ids
    frames = stream(triton, QUESTION, {"max_tokens": 6, "logit_bias": {str(word): 100}})
    assert text_of(frames) == " yes" * 6


def test_banning_the_end_of_turn_goes_on(triton: EmbeddedTriton) -> None:
    frames = stream(triton, chat("Hello!"), {"temperature": 0, "max_tokens": 80, "logit_bias": {str(EOS): -100}})
    assert (tokens_of(frames), frames[-1]["finish_reason"]) == (80, "length")


def test_bad_words_do_not_appear(triton: EmbeddedTriton) -> None:
    prompt = chat("[[echo=the red, the green and the blue harbour]]")
    text = text_of(stream(triton, prompt, {"max_tokens": 60, "bad_words": ["green", "harbour"]}))
    assert "green" not in text
    assert "harbour" not in text
    assert "the red, the" in text


def test_only_allowed_tokens_are_generated(triton: EmbeddedTriton, tokenizer: Tokenizer) -> None:
    allowed = [*tokenizer.encode(" yes").ids, *tokenizer.encode(" no").ids]
    frames = stream(triton, QUESTION, {"max_tokens": 10, "allowed_token_ids": allowed, "logprobs": 0})
    assert set(sampled(frames)) <= set(allowed)
    assert tokens_of(frames) == 10


def test_special_tokens_show_only_when_not_skipped(triton: EmbeddedTriton) -> None:
    forced = {"max_tokens": 2, "logit_bias": {"0": 100}}
    assert text_of(stream(triton, QUESTION, forced)) == ""
    assert text_of(stream(triton, QUESTION, {**forced, "skip_special_tokens": False})) == "<|endoftext|>" * 2


def test_characters_of_several_tokens_are_never_torn(triton: EmbeddedTriton) -> None:
    text = "Grüße 😀 an 東京 und Łódź"
    frames = stream(triton, chat(f"[[echo={text}]]"))
    assert text_of(frames) == text
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(frame["text_output"] for frame in frames)
