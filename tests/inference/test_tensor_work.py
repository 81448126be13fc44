"""Embeddings and rerank over engines that work, and over all that they may do wrong."""

import asyncio
import gc
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import numpy as np
import pytest

from accounts.database_thread import in_database_thread
from accounts.selectors import default_project_of
from accounts.services import create_organization, issue_key
from billing.metering import writer
from billing.models import UsageRecord
from billing.services import set_price
from inference import probing
from inference.backends.transport import close_transport
from inference.failures import BUSY, Reason
from inference.meter import clients_gone
from inference.routing import router
from inference.services import add_deployment, publish_model
from inference.tensor_presets import PRESETS
from tests.inference.asking import ask
from tests.inference.conftest import ACTOR
from tests.inference.tensor_engine import (
    Call,
    Respond,
    TensorEngine,
    answer,
    embeds,
    error,
    hangs,
    one_vector,
    ranks,
    resets,
    says,
    texts_for_vectors,
)

pytestmark = pytest.mark.django_db(transaction=True)

Result = TypeVar("Result")
EMBEDDINGS, RERANK = "/v1/embeddings", "/v1/rerank"
MAPS = {
    "embeddings": {**PRESETS["text-embedding"].tensor_map, "max_batch": 4},
    "rerank": PRESETS["query-documents"].tensor_map,
}
NAN = float("nan")
OF_REQUESTS = ("inference.api", "inference.consumers", "inference.pipeline", "inference.text_sizes", "inference.errors")


@pytest.fixture
def key(prices: None) -> str:
    """An API key; documents have a price."""
    set_price(input_nano=150_000_000, output_nano=0, document_nano=2_000, model_id="r")
    project = default_project_of(create_organization(actor=ACTOR, slug="reeder", name="Reederei Alster"))
    return issue_key(actor=ACTOR, project=project, name="shop").text


def run(work: Callable[[Callable[..., Awaitable[TensorEngine]]], Awaitable[Result]]) -> Result:
    """What `work` returns; it is given what starts an engine of a model."""

    async def whole() -> Result:
        async with AsyncExitStack() as engines:

            async def start(name: str, respond: Respond, **fields: Any) -> TensorEngine:
                engine = await engines.enter_async_context(TensorEngine(respond).running())
                await in_database_thread(deploy, name, engine, **fields)
                return engine

            try:
                return await work(start)
            finally:
                await close_transport()
                await writer().close()

    return asyncio.run(whole())


def deploy(name: str, engine: TensorEngine, *, tensor_map: Any = None, **fields: Any) -> None:
    """One more deployment of a model, which is published with the first."""
    capability = "rerank" if name == "r" else "embeddings"
    patience = {"first_token_timeout": 3, "total_timeout": 20, "context_length": 100}
    model, _ = publish_model(actor=ACTOR, model_id=name, capabilities=[capability], **{**patience, **fields})
    add_deployment(
        actor=ACTOR,
        name=f"{name}-{model.deployments.count()}",
        model=model,
        url=engine.url,
        triton_model="m",
        adapter="triton_tensors",
        tensor_map=tensor_map or MAPS[capability],
    )


async def post(key: str, path: str, **body: Any) -> tuple[int, Any]:
    """The status and the object of an answer."""
    head, *rest = await ask(key, body, path=path)
    return head["status"], json.loads(b"".join(part["body"] for part in rest))


async def records() -> list[UsageRecord]:
    """What is on record, oldest first."""
    return await in_database_thread(lambda: list(UsageRecord.objects.order_by("id")))


async def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def test_texts_go_in_batches_a_few_at_once_and_come_back_in_order(key):
    async def late_first(call: Call) -> bytes:
        # The first batch is answered last.
        await asyncio.sleep(0.2 if len(call["TEXT"][0]) == 1 else 0.02)
        return embeds(call)

    async def work(start: Any) -> None:
        engine = await start("m", late_first)
        texts = ["x" * (number + 1) for number in range(30)]
        status, body = await post(key, EMBEDDINGS, model="m", input=texts)
        assert status == 200, body
        # The vectors are normalized: [length, 1].
        found = [round(one["embedding"][0] / one["embedding"][1]) for one in body["data"]]
        assert found == list(range(1, 31))
        assert [one["index"] for one in body["data"]] == list(range(30))
        # Eight calls of nearly the same size, none above the map's four.
        assert sorted(len(call["TEXT"]) for call in engine.calls) == [2, *[4] * 7]
        assert engine.most_at_once == 4
        assert body["usage"] == {"prompt_tokens": sum(range(1, 31)), "total_tokens": sum(range(1, 31))}
        (row,) = await records()
        assert (row.input_tokens, row.token_source, row.outcome) == (465, "reported", "completed")
        assert row.cost_nano == 465 * 150

    run(work)


def test_each_document_is_billed(key):
    async def work(start: Any) -> None:
        await start("r", ranks)
        status, body = await post(key, RERANK, model="r", query="q", documents=["aa", "", "aaaa", "aa"])
        assert status == 200, body
        assert [one["index"] for one in body["results"]] == [2, 0, 3, 1]
        scores = [one["relevance_score"] for one in body["results"]]
        assert scores == pytest.approx([1 / (1 + np.exp(-size)) for size in (4, 2, 2, 0)])
        (row,) = await records()
        assert (row.documents, row.input_tokens) == (4, 4)
        assert row.cost_nano == 4 * 150 + 4 * 2_000

    run(work)


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_token_ids_are_made_and_pooled_here(key, pooling):
    def states(call: Call) -> bytes:
        rows, longest = call.shapes["input_ids"]
        ids = np.array(call["input_ids"], "<f4").reshape(rows, longest)
        return answer(last_hidden_state=("FP32", np.stack([ids, np.ones_like(ids)], axis=-1)))

    async def work(start: Any) -> None:
        tensor_map = json.loads(json.dumps(PRESETS["token-ids-hidden-state"].tensor_map))
        tensor_map |= {"max_batch": 8}
        tensor_map["outputs"]["embedding"] |= {"pooling": pooling, "normalize": False}
        engine = await start("m", states, tensor_map=tensor_map, assets="demo-chat")
        status, body = await post(key, EMBEDDINGS, model="m", input=["Hello there, ships", "Hi"])
        assert status == 200, body
        (call,) = engine.calls
        rows, longest = call.shapes["input_ids"]
        mask = np.array(call["attention_mask"]).reshape(rows, longest)
        ids = np.array(call["input_ids"]).reshape(rows, longest)
        lengths = mask.sum(axis=1)
        assert lengths[1] < lengths[0] == longest
        for row, one in enumerate(body["data"]):
            text = ids[row, : lengths[row]]
            expected = text.mean() if pooling == "mean" else text[-1]
            assert one["embedding"] == pytest.approx([expected, 1])
        assert body["usage"]["prompt_tokens"] == lengths.sum()
        (row,) = await records()
        assert (row.input_tokens, row.token_source) == (lengths.sum(), "counted")

    run(work)


STUB = "Stub process 'm_0_0' is not healthy."
FAULTS: dict[str, tuple[Respond, str]] = {
    "hangs": (hangs, Reason.TIMEOUT),
    "resets": (resets, Reason.CONNECTION_BROKEN),
    "has a dead stub": (error("500 Internal Server Error", STUB), Reason.ENGINE_DOWN),
    "raises": (error("500 Internal Server Error", "canary: ValueError"), Reason.ENGINE_ERROR),
    "has lost the model": (error("404 Not Found", "Request for unknown model: 'm' is not found"), Reason.ENGINE_DOWN),
    "unloads the model": (
        error("400 Bad Request", "Request for unknown model: 'm' has no available versions"),
        Reason.ENGINE_DOWN,
    ),
    "is decoupled": (error("501 Not Implemented", "doesn't support models with decoupled"), Reason.ENGINE_ERROR),
    "has a full queue": (error("503 Service Unavailable", "Exceeds maximum queue size"), BUSY),
    "is unavailable": (error("503 Service Unavailable", "the model is unhealthy"), Reason.ENGINE_DOWN),
    "refuses the secret": (error("403 Forbidden", "expecting header canary"), Reason.SECRET_REFUSED),
    "is a proxy": (says(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 6\r\n\r\n<html>"), Reason.HTTP_ERROR),
    "says no JSON": (says(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>"), Reason.ENGINE_ERROR),
    "has another shape": (one_vector([1.0, 2.0]), Reason.ENGINE_ERROR),
    "has another type": (texts_for_vectors, Reason.ENGINE_ERROR),
    "says NaN": (
        lambda call: embeds(call).replace(np.float32(1).tobytes(), np.float32(NAN).tobytes()),
        Reason.ENGINE_ERROR,
    ),
    "lacks a tensor": (says(answer(TOKENS=("INT32", np.array([[1]], "<i4")))), Reason.ENGINE_ERROR),
}


@pytest.mark.faults
def test_whatever_an_engine_does_wrong_another_one_answers(key, monkeypatch):
    monkeypatch.setattr(probing, "TENSOR_PROBE_SECONDS", 2.0)
    names = {kind: kind.replace(" ", "-").lower() for kind in FAULTS}

    async def work(start: Any) -> None:
        bad = {kind: await start(names[kind], FAULTS[kind][0]) for kind in FAULTS}
        for kind in FAULTS:
            await start(names[kind], embeds)
        asking = [post(key, EMBEDDINGS, model=names[kind], input=["ab", "abc"]) for kind in FAULTS]
        told = await asyncio.gather(*asking)
        wrong = [(body, status) for status, body in told if status != 200 or len(body["data"]) != 2]
        assert wrong == []
        assert [kind for kind, engine in bad.items() if not engine.calls] == []
        states = {state.target.name: state for state in router.states()}
        seen = {kind: states[f"{names[kind]}-0"].last_reason or BUSY for kind in FAULTS}
        assert seen == {kind: reason for kind, (_, reason) in FAULTS.items()}
        for engine in bad.values():
            engine.respond = embeds
        # What failed is tried out with a text of our own, and comes back by itself.
        await eventually(lambda: not any(states[f"{name}-0"].failing_since for name in names.values()), seconds=30)

    run(work)


@pytest.mark.faults
def test_what_no_engine_answers_is_an_error_that_tells_nothing_and_costs_nothing(key):
    names = {kind: kind.replace(" ", "-").lower() for kind in FAULTS}

    async def work(start: Any) -> None:
        for kind in FAULTS:
            await start(names[kind], FAULTS[kind][0])
        told = await asyncio.gather(*(post(key, EMBEDDINGS, model=names[kind], input=["a", "b"]) for kind in FAULTS))
        for kind, (status, body) in zip(FAULTS, told, strict=True):
            assert status == (504 if kind == "hangs" else 502 if FAULTS[kind][1] == Reason.ENGINE_ERROR else 503), kind
            assert body["error"]["type"] == "server_error"
            assert "canary" not in body["error"]["message"]
        rows = await records()
        assert {(row.outcome, row.cost_nano) for row in rows} == {("failed", 0)}
        assert len(rows) == len(FAULTS)

    run(work)


def test_a_request_that_an_engine_refuses_is_not_tried_elsewhere(key):
    async def work(start: Any) -> None:
        refuses = error("400 Bad Request", "canary: this text is not to my liking")
        engines = [await start("m", refuses), await start("m", refuses)]
        status, body = await post(key, EMBEDDINGS, model="m", input="ab")
        assert (status, body["error"]["code"]) == (502, "backend_error")
        assert sum(len(engine.calls) for engine in engines) == 1
        assert not any(state.failing_since for state in router.states())

    run(work)


def test_what_turns_out_to_be_too_long_is_named(key):
    async def work(start: Any) -> None:
        await start("m", embeds)
        # Five of four a call; nobody has a tokenizer but the engine.
        texts = ["a", "b", "c", "d", "e" * 101]
        status, body = await post(key, EMBEDDINGS, model="m", input=texts)
        assert (status, body["error"]["code"]) == (400, "context_length_exceeded")
        assert body["error"]["param"] == "input[4]"
        assert "maximum context length is 100 tokens" in body["error"]["message"]
        (row,) = await records()
        assert (row.outcome, row.cost_nano) == ("failed", 0)

    run(work)


def test_all_texts_together_have_a_limit(key, settings):
    settings.EMBEDDING_TOKENS_PER_REQUEST = 100

    async def work(start: Any) -> None:
        await start("m", embeds)
        status, body = await post(key, EMBEDDINGS, model="m", input=["x" * 60, "x" * 60])
        assert (status, body["error"]["code"], body["error"]["param"]) == (400, "max_tokens_per_request", "input")

    run(work)


def test_the_calls_of_a_client_that_left_end_and_the_others_are_not_made(key):
    async def work(start: Any) -> None:
        engine = await start("m", hangs, first_token_timeout=60)
        task = asyncio.ensure_future(post(key, EMBEDDINGS, model="m", input=["abcdefgh"] * 100))
        await eventually(lambda: engine.at_once == 4)
        clients_gone.add(task)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await eventually(lambda: engine.at_once == 0)
        assert len(engine.calls) == 4
        await writer().close()
        (row,) = await records()
        # What four calls of four texts brought the engines is on the bill; by a guess, as they never told.
        assert (row.outcome, row.input_tokens, row.token_source) == ("cancelled", 4 * 4 * 2, "estimated")
        assert row.cost_nano == row.input_tokens * 150

    run(work)


def test_a_failing_call_ends_those_beside_it(key):
    async def refuses(call: Call) -> bytes:
        await asyncio.sleep(0.1)
        return error("400 Bad Request", "no")(call)  # type: ignore[return-value]

    async def choose(call: Call) -> bytes:
        return await (refuses(call) if call["TEXT"][0] == "first" else hangs(call))

    async def work(start: Any) -> None:
        engine = await start("m", choose, first_token_timeout=60)
        status, _ = await post(key, EMBEDDINGS, model="m", input=["first"] * 4 + ["others"] * 12)
        assert status == 502
        await eventually(lambda: engine.at_once == 0)

    run(work)


def test_the_name_and_the_version_reach_the_engine(key):
    async def work(start: Any) -> None:
        engine = await start("m", embeds)
        await in_database_thread(
            lambda: add_deployment(
                actor=ACTOR,
                name="m-0",
                model=publish_model(actor=ACTOR, model_id="m")[0],
                url=engine.url,
                triton_model="other",
                triton_version="3",
            )
        )
        assert (await post(key, EMBEDDINGS, model="m", input="a"))[0] == 200
        assert engine.calls[0].path == "/v2/models/other/versions/3/infer"

    run(work)


def test_a_request_leaves_no_cycles_behind(key):
    requests = 20
    asked = [
        (EMBEDDINGS, {"model": "m", "input": "a"}, 200),
        (EMBEDDINGS, {"model": "m", "input": ["a"] * 10}, 200),
        (EMBEDDINGS, {"model": "m", "input": ["a"] * 9 + ["a" * 101]}, 400),
        (EMBEDDINGS, {"model": "m", "input": [""]}, 400),
        (EMBEDDINGS, {"model": "broken", "input": ["a"] * 10}, 502),
        (RERANK, {"model": "r", "query": "q", "documents": ["a", "b"]}, 200),
        (RERANK, {"model": "r", "query": "q", "documents": [{"image": "a"}]}, 400),
    ]

    async def left_by(path: str, body: dict[str, Any]) -> Counter[str]:
        """What of requests is garbage after some; the catalogue's loads and the engine here leave some of their own."""
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(requests):
                await post(key, path, **body)
            await asyncio.sleep(0.05)
            gc.collect()
            kinds = (type(thing) for thing in gc.garbage)
            ours = Counter(kind.__qualname__ for kind in kinds if kind.__module__.startswith(OF_REQUESTS))
            return ours + Counter(frame for frame in map(_frame_of, gc.garbage) if frame)
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    async def work(start: Any) -> None:
        await start("m", embeds)
        await start("r", ranks)
        await start("broken", error("400 Bad Request", "no"))
        for path, body, status in asked:
            assert (await post(key, path, **body))[0] == status
            left = await left_by(path, body)
            assert max(left.values(), default=0) < requests, (body, left)

    run(work)


def _frame_of(thing: object) -> str:
    """The function of ours that a frame is of."""
    code = getattr(thing, "f_code", None)
    return code.co_qualname if code is not None and "/inference/" in code.co_filename else ""
