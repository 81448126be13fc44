"""Completions on the wire, held against the openai package's types."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.generation import ChosenToken, Event, Finish, TextDelta, TokenLogprob, Usage
from inference.transcript import Choice
from inference.wire.completions import CompletionEncoder, completion
from inference.wire.token_offsets import TokenOffsets
from tests.inference.wire.openai_types import strict_text_chunk, strict_text_completion

DESCRIBED = {"request_id": "0199f0", "created": 1_795_222_454, "model": "small"}
HEAD = {
    "id": "cmpl-0199f0",
    "object": "text_completion",
    "created": 1_795_222_454,
    "model": "small",
    "system_fingerprint": None,
}
HEL = ChosenToken("Hel", -0.5, (TokenLogprob("Hel", -0.5), TokenLogprob("Bye", -1.5)))
# A token that is not among the likeliest.
LO = ChosenToken("lo", -3.0, (TokenLogprob("p", -0.5), TokenLogprob("m", -0.7)))


def streamed(*events: Event, **options: Any) -> list[dict[str, Any]]:
    """The JSON of a whole stream's events, each checked in form and against the openai package."""
    encoder = CompletionEncoder(**DESCRIBED, **options)
    stream = b"".join(map(encoder.frame, events)).decode()
    assert stream.endswith("data: [DONE]\n\n")
    found = []
    for event in stream.split("\n\n")[:-2]:
        assert event.startswith("data: ")
        assert "\n" not in event
        found.append(strict_text_chunk(json.loads(event.removeprefix("data: "))))
    return found


def whole(*choices: Choice, usage: Usage | None = None, **options: Any) -> dict[str, Any]:
    body = json.loads(completion(choices, usage or Usage(2, 5), **DESCRIBED, **options))
    strict_text_completion(body)
    return body


def test_a_stream_ends_with_a_reason() -> None:
    found = streamed(TextDelta(0, "Hel"), TextDelta(0, ""), TextDelta(0, "lo"), Usage(2, 2), Finish(0, "stop"))
    assert found == [
        HEAD | {"choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": reason}]}
        for text, reason in (("Hel", None), ("lo", None), ("", "stop"))
    ]


def test_a_body_holds_all_choices() -> None:
    body = whole(Choice(0, "Hello", "stop"), Choice(1, "Hi \ud800", "length"))
    usage = body.pop("usage")
    choices = [
        {"index": 0, "text": "Hello", "logprobs": None, "finish_reason": "stop"},
        {"index": 1, "text": "Hi ?", "logprobs": None, "finish_reason": "length"},
    ]
    assert body == HEAD | {"choices": choices}
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (2, 5, 7)


def test_with_include_usage_every_chunk_has_the_key_and_the_last_one_the_counts() -> None:
    events = TextDelta(0, "Hi"), Usage(2, 1), Finish(0, "stop"), TextDelta(1, "Ho"), Usage(2, 3), Finish(1, "length")
    *chunks, last = streamed(*events, choices=2, include_usage=True)
    assert [chunk["usage"] for chunk in chunks] == [None] * 4
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 3


def test_each_choice_begins_with_the_prompt_that_is_echoed() -> None:
    events = TextDelta(1, "b"), TextDelta(0, "a"), TextDelta(0, "c"), Finish(0, "stop"), Finish(1, "stop")
    found = streamed(*events, choices=2, echoes=["One ", "Two "])
    texts = [(chunk["choices"][0]["index"], chunk["choices"][0]["text"]) for chunk in found]
    assert texts == [(1, "Two "), (1, "b"), (0, "One "), (0, "a"), (0, "c"), (0, ""), (1, "")]
    body = whole(Choice(0, "a", "stop"), Choice(1, "b", "stop"), echoes=["One ", "Two "])
    assert [choice["text"] for choice in body["choices"]] == ["One a", "Two b"]


def test_a_choice_without_text_still_has_its_prompt() -> None:
    (echo, end) = streamed(Finish(0, "stop"), echoes=["Hi"])
    assert (echo["choices"][0]["text"], end["choices"][0]["finish_reason"]) == ("Hi", "stop")


def test_nothing_follows_a_choices_end() -> None:
    found = streamed(Finish(0, "stop"), TextDelta(0, "late"), Finish(0, "stop"), Finish(1, "stop"), choices=2)
    assert [chunk["choices"][0]["index"] for chunk in found] == [0, 1]


def test_logprobs_are_four_arrays_of_one_length() -> None:
    expected = {
        "tokens": ["Hel", "lo"],
        "token_logprobs": [-0.5, -3.0],
        "top_logprobs": [{"Hel": -0.5, "Bye": -1.5}, {"p": -0.5, "m": -0.7, "lo": -3.0}],
        "text_offset": [0, 3],
    }
    body = whole(Choice(0, "Hello", "stop", logprobs=(HEL, LO)), logprobs=True)
    assert body["choices"][0]["logprobs"] == expected
    events = TextDelta(0, "Hel", 1, (HEL,)), TextDelta(0, "lo", 1, (LO,)), TextDelta(0, "", 1), Finish(0, "stop")
    chunks = [chunk["choices"][0]["logprobs"] for chunk in streamed(*events, logprobs=True)]
    assert chunks[2:] == [None]
    assert {key: chunks[0][key] + chunks[1][key] for key in expected} == expected


def test_without_being_asked_for_logprobs_are_left_out() -> None:
    assert whole(Choice(0, "Hel", "stop", logprobs=(HEL,)))["choices"][0]["logprobs"] is None
    assert streamed(TextDelta(0, "Hel", 1, (HEL,)), Finish(0, "stop"))[0]["choices"][0]["logprobs"] is None


@pytest.mark.parametrize("logprob", [-math.inf, math.nan, -1e30])
def test_what_json_cannot_hold_is_next_to_impossible(logprob: float) -> None:
    token = ChosenToken("\ud800", logprob, (TokenLogprob("a", logprob),))
    logprobs = whole(Choice(0, "?", "stop", logprobs=(token,)), logprobs=True)["choices"][0]["logprobs"]
    assert logprobs["token_logprobs"] == [-9999.0]
    assert logprobs["top_logprobs"] == [{"a": -9999.0, "?": -9999.0}]


def chosen(*texts: str) -> list[ChosenToken]:
    return [ChosenToken(text, -1.0) for text in texts]


def test_parts_of_a_character_do_not_shift_what_follows() -> None:
    # A smile of two tokens, one of three, and a letter of two.
    text, tokens = (
        "a 😀😀 ok ü!",
        chosen("a", " \ufffd", "\ufffd", "\ufffd", "\ufffd", "\ufffd", " ok", " \ufffd", "\ufffd", "!"),
    )
    offsets = TokenOffsets().feed(text, tokens)
    assert [offsets[place] for place in (0, 1, 6, 7, 9)] == [0, 1, 4, 7, 9]
    assert offsets == sorted(offsets)


def test_text_may_come_later_than_its_tokens() -> None:
    offsets = TokenOffsets()
    assert offsets.feed("", chosen("Hel", "lo ")) == [0, 3]
    assert offsets.feed("Hello ", chosen("wor")) == [6]
    assert offsets.feed("world", chosen("ld")) == [9]


@given(st.lists(st.text(st.characters(exclude_characters="\ufffd", exclude_categories=["Cs"]), max_size=4)), st.data())
def test_whole_tokens_stand_where_they_stand_however_the_text_comes(texts: list[str], data: st.DataObject) -> None:
    offsets = TokenOffsets()
    found: list[int] = []
    rest = texts
    while rest:
        count = data.draw(st.integers(1, len(rest)))
        found += offsets.feed("".join(rest[:count]), chosen(*rest[:count]))
        rest = rest[count:]
    assert found == [sum(map(len, texts[:place])) for place in range(len(texts))]
