"""Responses in this process: what of a request reaches the engine, and how streams that break off end."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from accounts.selectors import default_project_of
from accounts.services import create_organization, issue_key
from billing.metering import writer
from billing.models import UsageRecord
from inference.backends.transport import close_transport
from inference.models import ServedModel
from inference.services import add_deployment, publish_model
from tests.inference.asking import ask, start_engine
from tests.inference.conftest import ACTOR, SIZES
from tests.inference.wire.openai_responses import events_of

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/v1/responses"
# Each turn is a line, with what was thought before it.
TEMPLATE = """{% for turn in messages %}{{ turn.role }}: [{{ turn.reasoning_content }}] {{ turn.content }}
{% endfor %}"""
Sent = list[dict[str, Any]]


def key_of(slug: str) -> str:
    project = default_project_of(create_organization(actor=ACTOR, slug=slug, name=slug.title()))
    return issue_key(actor=ACTOR, project=project, name="shop").text


@pytest.fixture
def thinker(prices: None) -> ServedModel:
    """A model that thinks, and takes its thoughts back."""
    fields = {"chat_template": TEMPLATE, "reasoning_parser": "qwen3", **SIZES}
    return publish_model(actor=ACTOR, model_id="acme/thinker", **fields)[0]


def served(model: ServedModel, asking: Callable[[], Any], **engine: Any) -> Any:
    """What `asking` comes to while an engine serves the model."""

    async def run() -> Any:
        server, url = await start_engine(**engine)
        target = {"name": "gpu-1", "url": url, "triton_model": "small", "adapter": "triton_vllm"}
        await asyncio.to_thread(add_deployment, actor=ACTOR, model=model, **target)
        try:
            return await asking()
        finally:
            await close_transport()
            await writer().close()
            server.close()

    return asyncio.run(run())


def body_of(sent: Sent) -> bytes:
    return b"".join(message.get("body", b"") for message in sent)


def test_sealed_thoughts_reach_the_engine_again_for_their_organization_alone(thinker: ServedModel) -> None:
    ours, theirs = key_of("reeder"), key_of("kontor")
    received: list[dict[str, Any]] = []

    async def asking() -> None:
        question = {"role": "user", "content": "Why?"}
        first = {"model": "acme/thinker", "input": [question], "include": ["reasoning.encrypted_content"]}
        output = json.loads(body_of(await ask(ours, first, path=PATH)))["output"]
        assert [item["type"] for item in output] == ["reasoning", "message"]
        assert output[0]["content"] == [{"type": "reasoning_text", "text": "It is blue."}]
        output[0]["content"] = None
        for key in (ours, theirs):
            again = {"model": "acme/thinker", "input": [question, *output, {"role": "user", "content": "And?"}]}
            assert (await ask(key, again, path=PATH))[0]["status"] == 200

    served(thinker, asking, tokens=("<think>", "It is", " blue.", "</think>", "Yes."), received=received)
    _, again, others = (engine["text_input"] for engine in received)
    assert again == "user: [] Why?\nassistant: [It is blue.] Yes.\nuser: [] And?\n"
    assert others == "user: [] Why?\nassistant: [] Yes.\nuser: [] And?\n"


def test_limits_and_sampling_reach_the_engine(model: ServedModel) -> None:
    key, received = key_of("reeder"), list[dict[str, Any]]()
    asked = {"model": "small", "input": "Hi", "max_output_tokens": 3, "temperature": 0.25, "top_p": 0.5}
    sent = served(model, lambda: ask(key, asked, path=PATH), received=received, reason="length")
    (engine,) = received
    parameters = json.loads(engine["sampling_parameters"])
    assert (parameters["max_tokens"], parameters["temperature"], parameters["top_p"]) == (3, 0.25, 0.5)
    assert json.loads(body_of(sent))["status"] == "incomplete"
    record = UsageRecord.objects.get()
    assert (record.endpoint, record.outcome, record.output_tokens) == ("responses", "completed", 3)


@pytest.mark.parametrize("stream", [True, False])
def test_what_the_engine_counts_as_too_long_is_a_plain_error(model: ServedModel, stream: bool) -> None:
    asked = {"model": "small", "input": "Hi", "stream": stream}
    key = key_of("reeder")
    sent = served(model, lambda: ask(key, asked, path=PATH), input_tokens=SIZES["context_length"])
    assert sent[0]["status"] == 400
    error = json.loads(body_of(sent))["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", "input")


def test_an_error_after_nothing_but_comments_is_a_failed_response(model: ServedModel, settings: Any) -> None:
    settings.STREAM_KEEPALIVE_SECONDS = 0.05
    asked = {"model": "small", "input": "Hi", "stream": True}
    key = key_of("reeder")

    async def hang_up(_: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        client.close()

    async def asking() -> Sent:
        silent = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        target = {"name": "gpu-2", "url": url, "triton_model": "small", "adapter": "triton_vllm"}
        await asyncio.to_thread(model.deployments.all().delete)
        await asyncio.to_thread(add_deployment, actor=ACTOR, model=model, **target)
        try:
            return await ask(key, asked, path=PATH)
        finally:
            silent.close()

    sent = served(model, asking)
    assert sent[0]["status"] == 200
    stream = body_of(sent).decode()
    assert stream.startswith(": keep-alive\n\n: keep-alive\n\n")
    events = events_of(stream)
    assert [event["type"] for event in events] == ["response.created", "response.in_progress", "response.failed"]
    assert events[-1]["response"]["error"]["code"] == "server_is_overloaded"
    assert UsageRecord.objects.get().outcome == "failed"


def test_counting_the_input_leaves_no_record(model: ServedModel) -> None:
    key = key_of("reeder")

    async def asking() -> tuple[Sent, Sent]:
        path = f"{PATH}/input_tokens"
        short = await ask(key, {"model": "small", "input": "Hi", "truncation": "auto"}, path=path)
        return short, await ask(key, {"model": "small", "input": "word " * 20_000}, path=path)

    received: list[dict[str, Any]] = []
    short, long = (json.loads(body_of(sent)) for sent in served(model, asking, received=received))
    assert short["object"] == "response.input_tokens"
    assert short["input_tokens"] < 50
    # Also what would not fit.
    assert long["input_tokens"] > 20_000 > SIZES["context_length"]
    assert received == []
    assert not UsageRecord.objects.exists()


def test_images_are_counted_by_nobody(model: ServedModel) -> None:
    key = key_of("reeder")
    part = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}
    asked = {"model": "small", "input": [{"role": "user", "content": [part]}]}
    sent = served(model, lambda: ask(key, asked, path=f"{PATH}/input_tokens"))
    assert (sent[0]["status"], json.loads(body_of(sent))["error"]["param"]) == (400, "input")
