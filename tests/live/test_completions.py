"""Completions through the whole stack, as OpenAI's SDK sees them."""

import json
import statistics
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai.types import Completion

from inference.tokenization import load_assets
from tests.engines import ROOT
from tests.inference.schemas.test_completions import LANGCHAIN
from tests.inference.wire.openai_types import strict_text_chunk, strict_text_completion
from tests.live.asking import bearer, call, check, check_error, check_headers, events
from tests.live.engines import counted, eventually
from tests.live.planting import listed
from tests.stack import Server, Stack

pytestmark = pytest.mark.live

PATH = "/v1/completions"
MODEL = "completing"
TOKENS = "demo_chat_tokens_total"
# The demo engine says what reached it: the two sides of the gap.
FIM = "[[echo={{ prefix }}<|fim|>{{ suffix }}]]"
TOKENIZER = load_assets(ROOT / "demo" / "assets" / "demo-chat").tokenizer
PUBLISH = f"""
from inference.services import add_deployment, publish_model
for name, more in {{"{MODEL}": {{"fim_template": {FIM!r}}}, "without-gaps": {{}}}}.items():
    sizes = {{"context_length": 2048, "max_output_tokens": 512, "default_output_tokens": 256}}
    fields = {{"assets": "demo-chat", "capabilities": ["completions", "logprobs"], **sizes, **more}}
    model, _ = publish_model(actor="test", model_id=name, **fields)
    add_deployment(actor="test", name=name, model=model, url="%s", triton_model="demo-chat")
"""


@pytest.fixture(scope="module", autouse=True)
def models(stack: Stack) -> Iterator[None]:
    """Two models on the engine of demo-chat that complete texts and do nothing else, which every server knows."""
    stack.manage("shell", "--no-imports", "-c", PUBLISH % stack.triton_url)
    for server in stack.servers.values():
        eventually(lambda v1=server.v1: listed(v1, stack.api_key) >= {MODEL, "without-gaps"})
    yield
    for name in (MODEL, "without-gaps"):
        stack.manage("publish_model", name, "--unpublished")


def ask(server: Server, stack: Stack, **body: Any) -> httpx.Response:
    return call(server, stack.api_key, path=PATH, json={"model": MODEL, **body})


def whole(server: Server, stack: Stack, **body: Any) -> Completion:
    """The answer as one, held against the SDK's types."""
    answer = ask(server, stack, **body)
    assert answer.status_code == 200, answer.text
    check_headers(answer)
    found = strict_text_completion(answer.json())
    assert found.usage.total_tokens == found.usage.prompt_tokens + found.usage.completion_tokens
    assert [choice.index for choice in found.choices] == list(range(len(found.choices)))
    return found


def streamed(server: Server, stack: Stack, **body: Any) -> list[dict[str, Any]]:
    """The chunks of a stream, each held against the SDK's types."""
    answer = ask(server, stack, stream=True, **body)
    assert answer.status_code == 200, answer.text
    *frames, last = events(answer)
    assert last == "[DONE]"
    chunks = [strict_text_chunk(json.loads(frame)) for frame in frames]
    assert len({(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in chunks}) == 1
    return chunks


def texts(chunks: list[dict[str, Any]]) -> dict[int, str]:
    """What the chunks come to, by choice; nothing follows a choice's end."""
    found: dict[int, str] = {}
    ended = set()
    for choice in (choice for chunk in chunks for choice in chunk["choices"]):
        assert choice["index"] not in ended
        found[choice["index"]] = found.get(choice["index"], "") + choice["text"]
        if choice["finish_reason"]:
            ended.add(choice["index"])
    assert ended == {*found}
    return found


def test_what_langchain_sends_is_answered(server, stack):
    answer = whole(server, stack, **LANGCHAIN | {"model": MODEL, "prompt": ["[[echo=Moin]]"]})
    (choice,) = answer.choices
    assert (choice.text, choice.finish_reason, choice.logprobs) == ("Moin", "stop", None)


def test_usage_is_what_the_engine_counted_and_on_record(server, stack, triton):
    prompts = ["[[n=7]] One", "[[n=5]] Two, which is longer"]
    options = {"prompt": prompts, "n": 2, "max_tokens": 50}
    for stream in (False, True):
        before = counted(triton.metrics_url, TOKENS)
        if stream:
            last = streamed(server, stack, **options, stream_options={"include_usage": True})[-1]
            assert last["choices"] == []
            request_id, usage = last["id"], last["usage"]
        else:
            answer = whole(server, stack, **options)
            request_id, usage = answer.id, answer.usage.to_dict()
        assert usage["completion_tokens"] == counted(triton.metrics_url, TOKENS, least=before + 24) - before == 24
        assert usage["prompt_tokens"] == sum(map(TOKENIZER.count, prompts))
        rows = httpx.get(f"{server.v1}/usage/records", headers=bearer(stack.api_key)).json()["data"]
        (row,) = [row for row in rows if row["id"] == request_id.removeprefix("cmpl-")]
        assert (row["endpoint"], row["outcome"], row["streamed"]) == ("completions", "completed", stream)
        assert row["token_source"] == "reported"
        counts = (row["input_tokens"], row["output_tokens"])
        assert counts == (usage["prompt_tokens"], usage["completion_tokens"])
        assert row["cost_nano"] > 0


def test_choices_are_numbered_prompt_by_prompt(server, stack):
    options = {"prompt": ["[[echo=one]]", "[[echo=two]]", "[[echo=three]]"], "n": 2, "max_tokens": 20}
    expected = ["one", "one", "two", "two", "three", "three"]
    assert [choice.text for choice in whole(server, stack, **options).choices] == expected
    chunks = streamed(server, stack, **options)
    assert texts(chunks) == dict(enumerate(expected))
    assert "usage" not in chunks[0]


async def test_the_sdk_streams_what_it_gets_whole(client, async_client):
    question = {"model": MODEL, "prompt": "Describe the harbour.", "temperature": 0, "max_tokens": 60}
    answer = client.completions.create(**question)
    pieces = [chunk.choices[0] for chunk in client.completions.create(**question, stream=True)]
    assert "".join(piece.text for piece in pieces) == answer.choices[0].text
    assert len(pieces) > 20
    assert [piece.finish_reason for piece in pieces if piece.finish_reason] == ["length"]
    again = [chunk async for chunk in await async_client.completions.create(**question, stream=True)]
    assert "".join(chunk.choices[0].text for chunk in again) == answer.choices[0].text
    assert (await async_client.completions.create(**question)).choices[0].text == answer.choices[0].text


def test_sixteen_tokens_are_the_default(uvicorn, stack):
    answer = whole(uvicorn, stack, prompt="[[n=100]]")
    assert (answer.usage.completion_tokens, answer.choices[0].finish_reason) == (16, "length")


def test_token_ids_are_a_prompt_too(server, stack):
    ids = [TOKENIZER.encode(f"[[echo=the {word} Schiff <|endoftext|>]]") for word in ("große", "kleine")]
    answer = whole(server, stack, prompt=ids[0], echo=True, max_tokens=30)
    assert answer.choices[0].text == "[[echo=the große Schiff <|endoftext|>]]the große Schiff "
    assert answer.usage.prompt_tokens == len(ids[0])
    assert [choice.text.split()[1] for choice in whole(server, stack, prompt=ids).choices] == ["große", "kleine"]


@pytest.mark.parametrize(
    ("prompt", "param"),
    [([5, 99_999], "prompt"), ([[5], [2**70]], "prompt[1]"), ([TOKENIZER.encode("ü😀")[:-1]], "prompt[0]")],
)
def test_token_ids_that_make_no_text_are_refused(uvicorn, stack, prompt, param):
    check(ask(uvicorn, stack, prompt=prompt), 400, "invalid_request_error", "invalid_value", param)


@pytest.mark.parametrize("prompt", [None, "", [""]])
def test_without_a_prompt_a_document_begins(uvicorn, stack, prompt):
    answer = whole(uvicorn, stack, prompt=prompt)
    assert answer.choices[0].text
    assert answer.usage.prompt_tokens == 1


def test_a_prompt_is_taken_as_it_is(uvicorn, stack):
    # Templates of their own are what clients of this endpoint come for: no turn of the operator's stands before it.
    prompt = "<|im_start|>user\n[[echo=raw]]<|im_end|>\n<|im_start|>assistant\n"
    assert whole(uvicorn, stack, prompt=prompt).choices[0].text == "raw"


def test_the_prompt_is_echoed_once_for_each_choice(server, stack):
    options = {"prompt": ["[[echo= one]]", "[[echo= two]]"], "n": 2, "echo": True}
    expected = ["[[echo= one]] one", "[[echo= one]] one", "[[echo= two]] two", "[[echo= two]] two"]
    assert [choice.text for choice in whole(server, stack, **options).choices] == expected
    assert texts(streamed(server, stack, **options)) == dict(enumerate(expected))


@pytest.mark.parametrize("logprobs", [0, 2])
def test_logprobs_are_four_arrays_that_fit_the_text(server, stack, logprobs):
    options = {"prompt": "Describe a ship: größer, älter, 😀", "logprobs": logprobs, "seed": 3, "max_tokens": 40}
    (choice,) = whole(server, stack, **options).choices
    found = choice.logprobs
    assert len(found.tokens) == len(found.token_logprobs) == len(found.top_logprobs) == len(found.text_offset) == 40
    for token, logprob, top, offset in zip(
        found.tokens, found.token_logprobs, found.top_logprobs, found.text_offset, strict=True
    ):
        assert choice.text.startswith(token.rstrip("\ufffd"), offset)
        assert top[token] >= logprob
        assert max(1, logprobs) <= len(top) <= logprobs + 1
    pieces = [chunk["choices"][0]["logprobs"] for chunk in streamed(server, stack, **options)]
    for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
        assert [value for piece in pieces if piece for value in piece[name]] == getattr(found, name)


def test_the_best_are_those_of_the_highest_mean_logprob(uvicorn, stack, triton):
    options = {"prompt": ["Tell me a story.", "Write a poem."], "seed": 11, "max_tokens": 8}
    before = counted(triton.metrics_url, TOKENS)
    answer = whole(uvicorn, stack, **options, n=2, best_of=5)
    # All that were made are paid for, the prompt once.
    assert answer.usage.completion_tokens == counted(triton.metrics_url, TOKENS, least=before + 80) - before == 80
    assert answer.usage.prompt_tokens == sum(map(TOKENIZER.count, options["prompt"]))
    assert [choice.logprobs for choice in answer.choices] == [None] * 4
    every = whole(uvicorn, stack, **options, n=5, logprobs=0).choices
    ranked = []
    for first in (0, 5):
        ordered = sorted(every[first : first + 5], key=lambda choice: -statistics.fmean(choice.logprobs.token_logprobs))
        ranked += [choice.text for choice in ordered[:2]]
    assert [choice.text for choice in answer.choices] == ranked
    with_logprobs = whole(uvicorn, stack, **options, n=1, best_of=3, logprobs=1)
    assert all(len(choice.logprobs.tokens) == 8 for choice in with_logprobs.choices)


def test_a_gap_is_filled_by_the_models_own_template(server, stack):
    answer = whole(server, stack, prompt="before <|fim|>", suffix="after<|im_end|>", max_tokens=60)
    assert answer.choices[0].text == "before < |fim|><|fim|>after< |im_end|>"
    answer = ask(server, stack, model="without-gaps", prompt="before", suffix="after")
    check(answer, 400, "invalid_request_error", "unsupported_parameter", "suffix")
    assert whole(server, stack, model="without-gaps", prompt="[[echo=all of it]]", suffix="").choices[0].text
    filled = whole(server, stack, model="demo-chat", prompt="def add(a, b):", suffix="    return total")
    assert filled.choices[0].text


def test_sampling_fields_and_vllm_extras_are_taken(uvicorn, stack):
    options: dict[str, Any] = {"presence_penalty": 0.5, "frequency_penalty": -0.5, "top_p": 0.9, "temperature": 1.2}
    options |= {"top_k": 10, "min_p": 0.05, "repetition_penalty": 1.1, "min_tokens": 12, "user": "x", "unknown": [None]}
    assert whole(uvicorn, stack, prompt="[[echo=short]]", max_tokens=20, **options).usage.completion_tokens >= 12
    forced = whole(uvicorn, stack, prompt="Hi", logit_bias={"300": 100}, max_tokens=3, logprobs=0)
    assert len({*forced.choices[0].logprobs.tokens}) == 1
    stopped = whole(uvicorn, stack, prompt="[[echo=one two three four]]", stop=["never", " three"])
    assert (stopped.choices[0].text, stopped.choices[0].finish_reason) == ("one two", "stop")


def test_a_prompt_that_is_too_long_is_told_by_its_field(uvicorn, stack):
    for prompt in ("word " * 3000, ["Hi", "word " * 3000], [300] * 3000):
        error = check(
            ask(uvicorn, stack, prompt=prompt), 400, "invalid_request_error", "context_length_exceeded", "prompt"
        )
        assert "maximum context length is 2048 tokens. However, your prompt resulted in" in error["message"]


def test_only_models_that_complete_texts_do(uvicorn, stack):
    error = check(
        ask(uvicorn, stack, model="unheard-of", prompt="Hi"), 404, "invalid_request_error", "model_not_found", "model"
    )
    assert "unheard-of" in error["message"]
    chat = call(uvicorn, stack.api_key, json={"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]})
    check(chat, 404, "invalid_request_error", "model_not_found", "model")


def test_it_has_a_scope_of_its_own(uvicorn, stack):
    key = stack.manage_json("issue_key", stack.organization, f"chat only {uvicorn.name}", "--scope", "chat")["key"]
    answer = call(uvicorn, key, path=PATH, json={"model": MODEL, "prompt": "Hi"})
    check(answer, 403, "permission_error", "missing_scope")


def test_what_the_engine_breaks_off_never_looks_whole(server, stack):
    check(ask(server, stack, prompt="[[fail=2]]"), 502, "server_error", "backend_error")
    for prompt in ("[[fail=2]]", ["[[echo=well]]", "[[fail=2]]"]):
        *frames, last = events(ask(server, stack, prompt=prompt, stream=True))
        check_error(json.loads(last), "server_error", "backend_error")
        assert frames
        for frame in frames:
            strict_text_chunk(json.loads(frame))
