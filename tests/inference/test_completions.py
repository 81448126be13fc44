"""What reaches an engine of a request for completions, and what is counted where the engine does not."""

import asyncio
import json
from typing import Any

import pytest

from accounts.selectors import default_project_of
from accounts.services import create_organization, issue_key
from billing.metering import writer
from billing.models import UsageRecord
from inference.backends.transport import close_transport
from inference.models import ServedModel
from inference.pipeline.completions import MOST_ECHOED
from inference.services import add_deployment, publish_model
from inference.tokenization import load_assets
from tests.engines import ROOT
from tests.inference.asking import ask, start_engine
from tests.inference.conftest import ACTOR, SIZES

pytestmark = pytest.mark.django_db(transaction=True)

TOKENIZER = load_assets(ROOT / "demo" / "assets" / "demo-chat").tokenizer


@pytest.fixture
def model(prices: None) -> ServedModel:
    """A model that completes texts."""
    return publish_model(actor=ACTOR, model_id="small", capabilities=["completions"], **SIZES)[0]


@pytest.fixture
def key(model: ServedModel) -> str:
    """A key for it."""
    project = default_project_of(create_organization(actor=ACTOR, slug="reeder", name="Reederei Alster"))
    return issue_key(actor=ACTOR, project=project, name="shop").text


def answered(key: str, model: ServedModel, body: dict[str, Any], **engine: Any) -> tuple[int, Any, list[Any]]:
    """The status and the JSON of an answer, and what the engine was asked, its sampling parameters read."""
    received: list[dict[str, Any]] = []

    async def request() -> tuple[int, bytes]:
        server, url = await start_engine(received=received, **engine)
        target = {"name": "gpu-1", "url": url, "triton_model": "small"}
        await asyncio.to_thread(add_deployment, actor=ACTOR, model=model, **target)
        try:
            sent = await ask(key, {"model": "small", **body}, path="/v1/completions")
            return sent[0]["status"], sent[1]["body"]
        finally:
            await close_transport()
            await writer().close()
            server.close()

    status, content = asyncio.run(request())
    for call in received:
        call["sampling_parameters"] = json.loads(call["sampling_parameters"])
    return status, json.loads(content), received


def test_each_choice_is_a_request_and_has_its_prompts_own_seed(key, model):
    body = {"prompt": ["One", TOKENIZER.encode("Two <|im_end|>")], "n": 2, "seed": 7, "max_tokens": 9}
    body["prompt"][0] = TOKENIZER.encode("One")
    status, answer, received = answered(key, model, body)
    assert status == 200
    asked = sorted((call["text_input"], call["sampling_parameters"]["seed"]) for call in received)
    assert asked == [("One", 7), ("One", 8), ("Two <|im_end|>", 7), ("Two <|im_end|>", 8)]
    assert {call["sampling_parameters"]["max_tokens"] for call in received} == {9}
    assert not any("return_logprobs" in call or "logprobs" in call["sampling_parameters"] for call in received)
    # The engine counts four tokens for each prompt, and each of three that it sends.
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (8, 12)


def test_what_is_ranked_comes_with_logprobs_that_nobody_asked_for(key, model):
    status, answer, received = answered(key, model, {"prompt": "One", "best_of": 3})
    assert status == 200
    assert [call["sampling_parameters"]["logprobs"] for call in received] == [0, 0, 0]
    assert len(answer["choices"]) == 1
    assert answer["choices"][0]["logprobs"] is None


def test_where_the_engine_does_not_count_we_do(key, model):
    prompts = ["Where is Hamburg?", "The harbour is large, and its ships are old."]
    status, answer, _ = answered(key, model, {"prompt": prompts}, counts=False)
    assert status == 200
    counted = sum(map(TOKENIZER.count, prompts)), 2 * TOKENIZER.count_answer("Hello there!")
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == counted
    record = UsageRecord.objects.get()
    assert (record.input_tokens, record.output_tokens) == counted
    assert (record.endpoint, record.token_source) == ("completions", "counted")


def test_more_than_a_screen_of_prompt_is_not_repeated_over_and_over(key, model):
    # Few tokens, as runs of one character are, and many characters.
    prompt = " " * (MOST_ECHOED // 128 + 1)
    status, answer, received = answered(key, model, {"prompt": prompt, "n": 128, "echo": True})
    assert (status, answer["error"]["param"], received) == (400, "echo", [])
    assert UsageRecord.objects.count() == 0
