"""Models that think, from the request to the usage record."""

import asyncio
import json
from importlib import import_module

import pytest
from django.apps import apps

from accounts.selectors import default_project_of
from accounts.services import create_organization, issue_key
from billing.metering import writer
from billing.models import UsageRecord
from billing.services import set_price
from inference.backends.transport import close_transport
from inference.catalogue import load_catalogue
from inference.models import ReasoningFormat, ServedModel
from inference.parsers import REASONING
from inference.services import add_deployment, publish_model
from inference.tokenization import load_assets
from tests.engines import ROOT
from tests.inference.asking import HELLO, ask, start_engine
from tests.inference.conftest import ACTOR, SIZES

THINKING = ("<think>", "\n", "The", " ship", "\n", "</think>", "\n\n", "It", " is", " late")
MESSAGES = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def thinker(prices: None) -> ServedModel:
    """A published model that thinks, at a price of its own for that."""
    set_price(model_id="acme/thinker", input_nano=0, output_nano=1_000_000, reasoning_nano=3_000_000)
    return publish_model(actor=ACTOR, model_id="acme/thinker", reasoning_parser="qwen3", **SIZES)[0]


def answer(
    model: ServedModel, tokens: tuple[str, ...], engine: dict[str, object] | None = None, **fields: object
) -> bytes:
    """The body of the answer to one request, by an engine that says these tokens."""
    project = default_project_of(create_organization(actor=ACTOR, slug="reeder", name="Reederei Alster"))
    key = issue_key(actor=ACTOR, project=project, name="shop").text

    async def request() -> bytes:
        server, url = await start_engine(tokens=tokens, **(engine or {}))
        target = {"name": "gpu-1", "url": url, "triton_model": "small", "adapter": "triton_vllm"}
        await asyncio.to_thread(add_deployment, actor=ACTOR, model=model, **target)
        try:
            sent = await ask(key, {"model": model.model_id, "messages": MESSAGES, **fields})
            assert sent[0]["status"] == 200
            return b"".join(message.get("body", b"") for message in sent)
        finally:
            await close_transport()
            await writer().close()
            server.close()

    return asyncio.run(request())


def details(usage: dict) -> tuple[int, int]:
    return usage["completion_tokens"], usage["completion_tokens_details"]["reasoning_tokens"]


def recorded() -> tuple[int, int, int | None]:
    record = UsageRecord.objects.get()
    return record.output_tokens, record.reasoning_tokens, record.cost_nano


def test_every_format_that_can_be_chosen_has_its_markers() -> None:
    assert set(ReasoningFormat.values) == set(REASONING)


@pytest.mark.django_db(transaction=True)
def test_a_whole_answer_has_its_reasoning_beside_it_and_on_the_bill(thinker: ServedModel) -> None:
    body = json.loads(answer(thinker, THINKING))
    message = body["choices"][0]["message"]
    assert message["reasoning"] == message["reasoning_content"] == "The ship\n"
    assert message["content"] == "It is late"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert details(body["usage"]) == (10, 7)
    # Nano-euro per million tokens: three for the answer, seven for the thinking.
    assert recorded() == (10, 7, 3 * 1 + 7 * 3)


@pytest.mark.django_db(transaction=True)
def test_a_stream_thinks_before_it_answers(thinker: ServedModel) -> None:
    body = answer(thinker, THINKING, n=2, stream=True, stream_options={"include_usage": True})
    *events, done, empty = body.decode().split("\n\n")
    assert (done, empty) == ("data: [DONE]", "")
    *chunks, last = (json.loads(event.removeprefix("data: ")) for event in events)
    for index in range(2):
        deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
        assert deltas == [
            {"role": "assistant", "content": ""},
            *({"reasoning": text, "reasoning_content": text} for text in ("The", " ship", "\n")),
            *({"content": text} for text in ("It", " is", " late")),
            {},
        ]
    assert details(last["usage"]) == (20, 14)
    assert recorded() == (20, 14, 6 * 1 + 14 * 3)


@pytest.mark.django_db(transaction=True)
def test_thinking_that_the_limit_cuts_off_leaves_no_content(thinker: ServedModel) -> None:
    body = json.loads(answer(thinker, THINKING[:4], {"reason": "length"}))
    (choice,) = body["choices"]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"] is None
    assert choice["message"]["reasoning_content"] == "The ship"
    assert details(body["usage"]) == (4, 4)
    assert recorded()[:2] == (4, 4)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("thinks", [True, False])
def test_without_a_parser_or_thinking_an_answer_is_as_ever(
    model: ServedModel, thinker: ServedModel, thinks: bool
) -> None:
    tokens = THINKING if thinks else HELLO
    body = json.loads(answer(model if thinks else thinker, tokens))
    message = {"role": "assistant", "content": "".join(tokens), "refusal": None, "annotations": []}
    assert body["choices"][0]["message"] == message
    assert details(body["usage"]) == (len(tokens), 0)


@pytest.mark.django_db(transaction=True)
def test_thinking_that_the_engine_does_not_count_is_counted(thinker: ServedModel) -> None:
    body = json.loads(answer(thinker, THINKING, {"counts": False}))
    tokenizer = load_assets(ROOT / "demo" / "assets" / "demo-chat").tokenizer
    thought, said = map(tokenizer.count_answer, ("The ship\n", "It is late"))
    assert details(body["usage"]) == recorded()[:2] == (thought + said, thought)
    assert UsageRecord.objects.get().token_source == "counted"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("parser", "skip"), [("mistral", False), ("qwen3", None), ("", None)])
def test_markers_that_are_special_tokens_are_asked_for(thinker: ServedModel, parser: str, skip: bool | None) -> None:
    publish_model(actor=ACTOR, model_id=thinker.model_id, reasoning_parser=parser)
    received: list[dict] = []
    body = json.loads(answer(thinker, ("[THINK]", "Hm", "[/THINK]", "Yes"), {"received": received}))
    assert json.loads(received[0]["sampling_parameters"]).get("skip_special_tokens") is skip
    message = body["choices"][0]["message"]
    if parser == "mistral":
        assert (message["reasoning"], message["content"]) == ("Hm", "Yes")
    else:
        assert message["content"] == "[THINK]Hm[/THINK]Yes"


def test_names_of_parsers_that_never_were_are_forgotten(thinker: ServedModel, model: ServedModel) -> None:
    ServedModel.objects.filter(pk=model.pk).update(reasoning_parser="harmony")
    import_module("inference.migrations.0003_reasoning_parser").forget_unknown(apps, None)
    assert dict(ServedModel.objects.values_list("model_id", "reasoning_parser")) == {
        model.model_id: "",
        thinker.model_id: "qwen3",
    }


def test_the_catalogue_knows_how_a_model_thinks(model: ServedModel, thinker: ServedModel) -> None:
    reasoning = {offer.model_id: offer.reasoning for offer in load_catalogue().offers}
    assert reasoning == {"acme/small": None, "acme/thinker": REASONING["qwen3"]}
