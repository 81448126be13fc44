"""Chat completions on the wire, held against the openai package's types and wire.md's rules for streams."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.generation import ChosenToken, Finish, ReasoningDelta, TextDelta, TokenLogprob, ToolCalled, Usage
from inference.transcript import Choice, Transcript
from inference.wire.chat import DONE, ChatEncoder, completion
from tests.inference.wire.openai_types import strict_chunk, strict_completion

USAGE = Usage(input_tokens=7, output_tokens=6, cached_input_tokens=2, reasoning_tokens=1)
USAGE_JSON = {
    "prompt_tokens": 7,
    "completion_tokens": 6,
    "total_tokens": 13,
    "prompt_tokens_details": {"cached_tokens": 2, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 1,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}


DESCRIBED = {"request_id": "0199f0", "created": 1_795_222_454, "model": "demo-chat"}


def encoder(**options: Any) -> ChatEncoder:
    return ChatEncoder(**DESCRIBED, **options)


def whole(choices: list[Choice], **options: Any) -> dict[str, Any]:
    return json.loads(completion(choices, USAGE, **DESCRIBED, **options))


def chunks(stream: bytes) -> list[dict[str, Any]]:
    """The JSON of a stream's events, each checked in form and against the openai package."""
    assert stream.endswith(b"\n\n")
    found = []
    for event in stream.decode().split("\n\n")[:-1]:
        assert event.startswith("data: ")
        assert "\n" not in event
        chunk = json.loads(event.removeprefix("data: "))
        strict_chunk(chunk)
        found.append(chunk)
    return found


def test_a_stream_begins_with_the_role_and_ends_with_a_reason() -> None:
    writer = encoder()
    stream = writer.chunk(TextDelta(0, "Hel")) + writer.chunk(TextDelta(0, "lo.")) + writer.finish(0, "stop")
    found = chunks(stream)
    assert [chunk["choices"][0]["delta"] for chunk in found] == [
        {"role": "assistant", "content": ""},
        {"content": "Hel"},
        {"content": "lo."},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in found] == [None, None, None, "stop"]
    assert all(chunk["choices"][0]["logprobs"] is None for chunk in found)
    assert all("usage" not in chunk for chunk in found)
    heads = [{key: value for key, value in chunk.items() if key != "choices"} for chunk in found]
    assert heads == [
        {
            "id": "chatcmpl-0199f0",
            "object": "chat.completion.chunk",
            "created": 1_795_222_454,
            "model": "demo-chat",
            "service_tier": "default",
            "system_fingerprint": None,
        }
    ] * len(found)


def test_with_include_usage_every_chunk_has_the_key_and_the_last_one_the_counts() -> None:
    writer = encoder(include_usage=True)
    found = chunks(writer.chunk(TextDelta(0, "Hi")) + writer.finish(0, "length") + writer.usage(USAGE))
    assert [chunk["usage"] for chunk in found] == [None, None, None, USAGE_JSON]
    assert found[-1]["choices"] == []
    assert len({chunk["id"] for chunk in found}) == 1


def test_an_answer_without_text_still_has_its_role() -> None:
    found = chunks(encoder().finish(0, "stop"))
    assert [chunk["choices"][0]["delta"] for chunk in found] == [{"role": "assistant", "content": ""}, {}]


def test_nothing_follows_the_end_of_a_choice() -> None:
    writer = encoder(n=2)
    writer.finish(0, "stop")
    assert writer.chunk(TextDelta(0, "more")) == b""
    assert writer.finish(0, "length") == b""
    assert writer.unfinished() == [1]
    assert writer.chunk(TextDelta(1, "more")) != b""


def test_a_delta_without_text_is_not_sent() -> None:
    writer = encoder()
    assert writer.chunk(TextDelta(0, "")) == b""
    assert len(chunks(writer.chunk(TextDelta(0, "a")))) == 2
    assert writer.chunk(TextDelta(0, "")) == b""


def test_logprobs_come_with_their_text() -> None:
    token = ChosenToken("é", -0.5, (TokenLogprob("é", -0.5), TokenLogprob("\ufffd", -math.inf)))
    writer = encoder(logprobs=True)
    found = chunks(writer.chunk(TextDelta(0, "é", logprobs=(token,))) + writer.finish(0, "stop"))
    assert [chunk["choices"][0]["logprobs"] for chunk in found] == [
        {"content": [], "refusal": None},
        {
            "content": [
                {
                    "token": "é",
                    "logprob": -0.5,
                    "bytes": [195, 169],
                    "top_logprobs": [
                        {"token": "é", "logprob": -0.5, "bytes": [195, 169]},
                        {"token": "\ufffd", "logprob": -9999.0, "bytes": None},
                    ],
                }
            ],
            "refusal": None,
        },
        {"content": [], "refusal": None},
    ]


def test_a_token_without_text_of_its_own_is_sent_with_its_logprob() -> None:
    writer = encoder(logprobs=True)
    found = chunks(writer.chunk(TextDelta(0, "", logprobs=(ChosenToken("\ufffd", math.nan),))))
    assert found[-1]["choices"][0]["delta"] == {"content": ""}
    assert found[-1]["choices"][0]["logprobs"]["content"][0]["logprob"] == -9999.0


def test_logprobs_that_nobody_asked_for_are_not_sent() -> None:
    found = chunks(encoder().chunk(TextDelta(0, "a", logprobs=(ChosenToken("a", -1.0),))))
    assert found[-1]["choices"][0]["logprobs"] is None


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    assert chunks(encoder().chunk(TextDelta(0, "a\ud83d")))[-1]["choices"][0]["delta"] == {"content": "a?"}
    body = whole([Choice(0, "a\ud83d", "stop")])
    assert body["choices"][0]["message"]["content"] == "a?"


def test_the_end_of_the_stream_is_openais() -> None:
    assert DONE == b"data: [DONE]\n\n"


def test_a_whole_completion_is_openais() -> None:
    choices = [Choice(0, "Hello.", "stop"), Choice(1, "", "length")]
    body = whole(choices, system_fingerprint="fp_1")
    strict_completion(body)
    assert body == {
        "id": "chatcmpl-0199f0",
        "object": "chat.completion",
        "created": 1_795_222_454,
        "model": "demo-chat",
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": text, "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": reason,
            }
            for index, text, reason in ((0, "Hello.", "stop"), (1, "", "length"))
        ],
        "usage": USAGE_JSON,
        "service_tier": "default",
        "system_fingerprint": "fp_1",
    }


def test_a_whole_completion_has_all_logprobs() -> None:
    transcript = Transcript()
    for text in "ab":
        transcript.add(TextDelta(0, text, logprobs=(ChosenToken(text, -1.0),)))
    transcript.add(Finish(0, "stop"))
    body = whole(transcript.choices(), logprobs=True)
    strict_completion(body)
    assert [token["token"] for token in body["choices"][0]["logprobs"]["content"]] == ["a", "b"]


def test_thinking_is_sent_under_both_names_before_the_answer() -> None:
    writer = encoder(logprobs=True, include_usage=True)
    stream = writer.thought(ReasoningDelta(0, "")) + writer.thought(ReasoningDelta(0, 'Hm, "é"\ud83d'))
    stream += writer.chunk(TextDelta(0, "Yes.")) + writer.finish(0, "stop") + writer.thought(ReasoningDelta(0, "more"))
    found = [json.loads(event.removeprefix("data: ")) for event in stream.decode().split("\n\n")[:-1]]
    assert [chunk["choices"][0]["delta"] for chunk in found] == [
        {"role": "assistant", "content": ""},
        {"reasoning": 'Hm, "é"?', "reasoning_content": 'Hm, "é"?'},
        {"content": "Yes."},
        {},
    ]
    for chunk in found:
        for name in ("reasoning", "reasoning_content"):
            chunk["choices"][0]["delta"].pop(name, None)
        strict_chunk(chunk)
        assert chunk["choices"][0]["logprobs"] == {"content": [], "refusal": None}


@pytest.mark.parametrize(("said", "content"), [("Yes.", "Yes."), ("", None)])
def test_a_whole_answer_has_its_thinking_beside_the_content(said: str, content: str | None) -> None:
    transcript = Transcript()
    for event in (ReasoningDelta(0, "H"), ReasoningDelta(0, "m\ud83d"), TextDelta(0, said), Finish(0, "stop")):
        transcript.add(event)
    transcript.add(ReasoningDelta(0, "dropped"))
    body = whole(transcript.choices())
    message = body["choices"][0]["message"]
    assert [message.pop(name) for name in ("reasoning", "reasoning_content")] == ["Hm?", "Hm?"]
    assert message == {"role": "assistant", "content": content, "refusal": None, "annotations": []}
    strict_completion(body)


def test_a_transcript_knows_what_has_no_end() -> None:
    transcript = Transcript(2)
    transcript.add(TextDelta(1, "b"))
    transcript.add(Finish(1, "length"))
    transcript.add(TextDelta(1, "dropped"))
    assert transcript.unfinished() == [0]
    assert transcript.choices() == [Choice(1, "b", "length")]


@given(
    texts=st.lists(st.tuples(st.integers(0, 2), st.text(max_size=20)), max_size=30),
    reasons=st.permutations([(0, "stop"), (1, "length"), (2, "stop")]),
    usage=st.booleans(),
    logprobs=st.booleans(),
)
def test_any_stream_keeps_the_rules(
    texts: list[tuple[int, str]], reasons: list[tuple[int, str]], usage: bool, logprobs: bool
) -> None:
    writer = encoder(n=3, include_usage=usage, logprobs=logprobs)
    stream = b"".join(writer.chunk(TextDelta(index, text)) for index, text in texts)
    stream += b"".join(writer.finish(index, reason) for index, reason in reasons)
    assert writer.unfinished() == []
    found = chunks(stream)
    assert all(("usage" in chunk) == usage for chunk in found)
    for index, reason in reasons:
        choices = [chunk["choices"][0] for chunk in found if chunk["choices"][0]["index"] == index]
        assert choices[0]["delta"] == {"role": "assistant", "content": ""}
        assert choices[-1]["delta"] == {}
        assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + [reason]
        assert "".join(choice["delta"].get("content", "") for choice in choices) == "".join(
            text for whose, text in texts if whose == index
        )
        assert all((choice["logprobs"] is not None) == logprobs for choice in choices)


CALLS = (
    ToolCalled(0, "call_1", "get_weather", '{"city": "Köln"}'),
    ToolCalled(0, "call_2", "get_time", "{}"),
)


def call_json(call: ToolCalled) -> dict[str, Any]:
    return {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def test_calls_come_whole_each_with_its_own_index() -> None:
    writer = encoder()
    stream = (
        writer.frame(TextDelta(0, "", 3)) + b"".join(map(writer.frame, CALLS)) + writer.frame(Finish(0, "tool_calls"))
    )
    found = chunks(stream.removesuffix(DONE))
    assert [chunk["choices"][0]["delta"] for chunk in found] == [
        {"role": "assistant", "content": None},
        {"tool_calls": [{"index": 0, **call_json(CALLS[0])}]},
        {"tool_calls": [{"index": 1, **call_json(CALLS[1])}]},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in found] == [None, None, None, "tool_calls"]


def test_calls_after_text_do_not_begin_the_choice_again() -> None:
    writer = encoder(n=2, logprobs=True)
    stream = writer.frame(TextDelta(1, "I look.")) + writer.frame(ToolCalled(1, "call_3", "f", "{}"))
    first, _, last = chunks(stream)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert last["choices"][0]["index"] == 1
    assert last["choices"][0]["delta"]["tool_calls"][0]["index"] == 0
    assert last["choices"][0]["logprobs"] == {"content": [], "refusal": None}
    writer.frame(Finish(1, "tool_calls"))
    assert writer.frame(ToolCalled(1, "call_4", "f", "{}")) == b""
    # Each choice counts its own.
    assert chunks(writer.frame(CALLS[0]))[-1]["choices"][0]["delta"]["tool_calls"][0]["index"] == 0


@pytest.mark.parametrize(("text", "content"), [("", None), ("I look.", "I look.")])
def test_a_whole_answer_has_its_calls_beside_the_content(text: str, content: str | None) -> None:
    body = whole([Choice(0, text, "tool_calls", calls=CALLS)])
    message = strict_completion(body).choices[0].message
    assert body["choices"][0]["message"]["tool_calls"] == [call_json(call) for call in CALLS]
    assert message.content == content
    assert body["choices"][0]["finish_reason"] == "tool_calls"
    assert "tool_calls" not in whole([Choice(0, "Hi", "stop")])["choices"][0]["message"]


def test_half_a_character_in_a_call_becomes_a_question_mark() -> None:
    call = ToolCalled(0, "call_1", "f", '{"a": "\ud83d"}')
    assert chunks(encoder().frame(call))[-1]["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] == (
        '{"a": "?"}'
    )
