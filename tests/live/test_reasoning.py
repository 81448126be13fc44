"""Thinking through the whole stack, as OpenAI's SDK sees it."""

from typing import Any

import httpx
import pytest

from inference.tokenization import load_assets
from tests.engines import ROOT
from tests.live.asking import ask, bearer
from tests.live.engines import eventually
from tests.stack import Server, Stack

pytestmark = pytest.mark.live

QUESTION = ask("Why is the sky blue?")
MODEL = "demo-chat"


def tokens(text: str) -> int:
    return load_assets(ROOT / "demo" / "assets" / MODEL).tokenizer.count_answer(text)


def records(server: Server, stack: Stack, request_id: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{server.v1}/usage/records", headers=bearer(stack.api_key), timeout=30)
    return [row for row in answer.json()["data"] if row["id"] == request_id]


def test_thinking_comes_apart_from_the_answer_counted_and_recorded(server, client, stack):
    answer = client.chat.completions.create(
        model=MODEL, messages=QUESTION, reasoning_effort="low", logprobs=True, temperature=0
    )
    (choice,) = answer.choices
    message = choice.message
    assert "sky" in message.reasoning_content
    assert message.reasoning == message.reasoning_content
    assert message.content
    assert "think>" not in message.content + message.reasoning
    assert "".join(token.token for token in choice.logprobs.content) == message.content
    thought = answer.usage.completion_tokens_details.reasoning_tokens
    assert thought == tokens(message.reasoning + "</think>\n\n")
    # The last token ends the turn.
    assert answer.usage.completion_tokens == thought + len(choice.logprobs.content) + 1
    (row,) = records(server, stack, answer.id.removeprefix("chatcmpl-"))
    assert (row["output_tokens"], row["reasoning_tokens"]) == (answer.usage.completion_tokens, thought)


async def test_a_stream_thinks_first_in_each_choice(async_client):
    stream = await async_client.chat.completions.create(
        model=MODEL,
        messages=QUESTION,
        n=2,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"chat_template_kwargs": {"enable_thinking": True}},
    )
    kinds, thoughts, usage = {0: "", 1: ""}, {0: "", 1: ""}, None
    async for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            thought = getattr(choice.delta, "reasoning_content", None)
            kinds[choice.index] += "r" if thought else "c" if choice.delta.content else ""
            thoughts[choice.index] += thought or ""
    for kind in kinds.values():
        thinking, answering = kind.count("r"), kind.count("c")
        assert thinking > 0 < answering
        assert kind == "r" * thinking + "c" * answering
    expected = sum(tokens(thought + "</think>\n\n") for thought in thoughts.values())
    assert usage.completion_tokens_details.reasoning_tokens == expected


def test_the_limit_may_come_while_it_thinks(client):
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION, reasoning_effort="high", max_tokens=5)
    (choice,) = answer.choices
    assert choice.finish_reason == "length"
    assert choice.message.content is None
    assert choice.message.reasoning
    assert answer.usage.completion_tokens_details.reasoning_tokens == answer.usage.completion_tokens == 5


def test_a_client_that_leaves_while_it_thinks_pays_for_that(server, stack):
    body = {"model": MODEL, "messages": ask("[[pace=10]] Why is rain wet?"), "reasoning_effort": "low", "stream": True}
    url = f"{server.v1}/chat/completions"
    with httpx.stream("POST", url, json=body, headers=bearer(stack.api_key), timeout=60) as answer:
        assert any('"reasoning_content":' in line for line in answer.iter_lines())
    request_id = answer.headers["x-request-id"]
    eventually(lambda: bool(records(server, stack, request_id)))
    (row,) = records(server, stack, request_id)
    assert row["outcome"] == "cancelled"
    assert row["reasoning_tokens"] == row["output_tokens"] > 0


@pytest.mark.parametrize("options", [{}, {"reasoning_effort": "none"}])
def test_nothing_is_thought_unless_it_is_asked_for(client, options):
    echo = ask("[[echo=<think>\nHm.\n</think>\n\nYes.]]")
    plain = client.chat.completions.create(model=MODEL, messages=QUESTION, **options)
    assert plain.choices[0].message.content
    assert not plain.choices[0].message.model_extra
    assert plain.usage.completion_tokens_details.reasoning_tokens == 0
    thought = client.chat.completions.create(model=MODEL, messages=echo, **options).choices[0].message
    assert (thought.reasoning, thought.content) == ("Hm.\n", "Yes.")
