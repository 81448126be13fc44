"""Images in this process: every kind of engine that an operator's map describes, and what goes wrong with them."""

import asyncio
import base64
import gc
import io
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from accounts.selectors import default_project_of
from accounts.services import create_organization, issue_key
from billing.metering import writer
from billing.models import UsageRecord
from billing.services import set_price
from inference.backends.transport import close_transport
from inference.catalogue import catalogue
from inference.meter import clients_gone
from inference.models import ServedModel
from inference.services import add_deployment, publish_model
from tests.inference.conftest import ACTOR
from tests.inference.getting import Got, answer
from tests.inference.images.engine import TOKENS, Engine, running
from tests.inference.images.pictures import data_url, picture

pytestmark = pytest.mark.django_db(transaction=True)

NANO = 30_000_000
REQUESTS = 50
GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
RED = np.full((8, 8, 3), (255, 0, 0), np.uint8)


def scalar(name: str, dtype: str, **more: Any) -> dict[str, Any]:
    return {"tensor": name, "dtype": dtype, "shape": [1], "source": name, **more}


PROMPT = scalar("prompt", "BYTES")
SIDES = [scalar("width", "INT32"), scalar("height", "INT32")]
PICTURES = {"tensor": "image", "dtype": "BYTES", "shape": ["N"], "source": "image", "optional": True}
ONE_PICTURE = {**PICTURES, "shape": [1]}
USUAL = [PROMPT, *SIDES, scalar("seed", "INT64", optional=True), PICTURES]


def tensor_map(*inputs: dict[str, Any], encoding: str = "png_bytes") -> dict[str, Any]:
    return {"inputs": list(inputs), "outputs": {"image": {"tensor": "picture", "encoding": encoding}}}


@pytest.fixture
def key() -> str:
    organization = create_organization(actor=ACTOR, slug="reeder", name="Reederei Alster")
    return issue_key(actor=ACTOR, project=default_project_of(organization), name="shop").text


@pytest.fixture
def model() -> ServedModel:
    """A published image model without assets and deployments."""
    set_price(model_id="acme/draw", input_nano=0, output_nano=0, image_nano=NANO)
    capabilities, sizes = ["images", "image_edits"], {"default": "64x64", "smallest": 8, "largest": 128}
    return publish_model(actor=ACTOR, model_id="acme/draw", capabilities=capabilities, image_sizes=sizes)[0]


def asking(
    model: ServedModel,
    engines: dict[Engine, dict[str, Any]],
    asks: Callable[[], Awaitable[Any]],
    **deployment: Any,
) -> Any:
    """What `asks` comes to while `engines` serve the model, each by its map."""

    async def ask_all() -> Any:
        catalogue.clear()
        contexts = [running(engine) for engine in engines]
        for context in contexts:
            await context.__aenter__()
        try:
            edits = all(any(tensor["source"] == "image" for tensor in each["inputs"]) for each in engines.values())
            capabilities = ["images", "image_edits"] if edits else ["images"]
            again = {"actor": ACTOR, "model_id": model.model_id, "capabilities": capabilities}
            served, _ = await asyncio.to_thread(publish_model, **again)
            for number, (engine, described) in enumerate(engines.items()):
                fields = {"adapter": "triton_tensors", "tensor_map": described, **deployment}
                named = {"name": f"gpu-{number}", "url": engine.url, "triton_model": "draw"}
                await asyncio.to_thread(add_deployment, actor=ACTOR, model=served, **named, **fields)
            return await asks()
        finally:
            await close_transport()
            await writer().close()
            for context in contexts:
                await context.__aexit__(None, None, None)

    return asyncio.run(ask_all())


def post(key: str, path: str, **fields: Any) -> Awaitable[Got]:
    body = {"model": "acme/draw", "prompt": "a gable", **fields}
    return answer(path, key, method="POST", body=json.dumps(body).encode(), content_type="application/json")


def asked(model: ServedModel, key: str, described: dict[str, Any], made: Any, path: str = GENERATIONS, **fields: Any):
    """The answer to one request, and the calls that the engine got."""
    engine = Engine(lambda call: made)
    return asking(model, {engine: described}, lambda: post(key, path, **fields)), engine.calls


def pixels(got: Got, index: int = 0) -> np.ndarray:
    """An image of an answer."""
    assert got.status == 200, got.body
    data = base64.b64decode(got.json["data"][index]["b64_json"], validate=True)
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize(
    ("encoding", "made"),
    [
        ("hwc_uint8", RED),
        ("hwc_uint8", RED[None]),
        ("chw_uint8", RED.transpose(2, 0, 1).copy()),
        ("hwc_float01", (RED / 255).astype(np.float32)),
        ("chw_float_pm1", (RED[None].transpose(0, 3, 1, 2) / 127.5 - 1).astype(np.float32)),
        ("base64", base64.b64encode(picture("PNG", (8, 8)))),
    ],
)
def test_engines_say_images_in_many_ways(model, key, encoding, made):
    got, _ = asked(model, key, tensor_map(*USUAL, encoding=encoding), made, size="8x8")
    assert pixels(got).shape == (8, 8, 3)
    assert got.json["size"] == "8x8"
    if encoding != "base64":
        assert (pixels(got) == RED).all()


def test_an_engine_is_told_what_was_asked_for(model, key):
    inputs = [*USUAL, scalar("steps", "INT32", default=30), scalar("guidance_scale", "FP32", optional=True)]
    fields = {"n": 3, "size": "16*32", "seed": 2**63 - 2, "guidance_scale": 1.5}
    _, calls = asked(model, key, tensor_map(*inputs), picture(), **fields)
    base = {"prompt": [b"a gable"], "width": [16], "height": [32], "steps": [30], "guidance_scale": [1.5]}
    seeds = sorted(call.pop("seed")[0] for call in calls)
    assert seeds == [0, 2**63 - 2, 2**63 - 1]
    assert calls == [base] * 3


def test_seeds_are_drawn_where_none_is_given_and_fit_their_tensor(model, key):
    small = tensor_map(PROMPT, *SIDES, scalar("seed", "INT32"))
    _, calls = asked(model, key, small, picture(), n=4)
    assert len({call["seed"][0] for call in calls}) == 4
    _, calls = asked(model, key, small, picture(), seed=2**40 + 5)
    assert calls[0]["seed"] == [5]


def test_arguments_may_travel_as_json(model, key):
    keys = {"steps": "num_inference_steps", "seed": "seed", "width": "width", "height": "height"}
    arguments = {"tensor": "gen_args", "dtype": "BYTES", "shape": [1], "source": keys, "encode": "json"}
    _, calls = asked(model, key, tensor_map(PROMPT, arguments), picture(), seed=2**62, steps=4, size="16x16")
    told = {"num_inference_steps": 4, "seed": 2**62, "width": 16, "height": 16}
    assert json.loads(calls[0]["gen_args"][0]) == told


@pytest.mark.parametrize(
    ("path", "inputs", "fields", "code", "param"),
    [
        (GENERATIONS, [PROMPT, *SIDES], {"seed": 1}, "unsupported_parameter", "seed"),
        (GENERATIONS, [PROMPT, *SIDES], {"steps": 1}, "unsupported_parameter", "steps"),
        (GENERATIONS, [PROMPT, *SIDES], {"negative_prompt": "x"}, "unsupported_parameter", "negative_prompt"),
        (GENERATIONS, [PROMPT], {"size": "32x32"}, "invalid_value", "size"),
        (GENERATIONS, [PROMPT, {**PICTURES, "optional": False}], {}, "missing_required_parameter", "image"),
        (EDITS, USUAL, {"image": data_url(picture()), "mask": data_url(picture())}, "unsupported_parameter", "mask"),
        (EDITS, [PROMPT, ONE_PICTURE], {"image": [data_url(picture())] * 2}, "too_many_images", "image[1]"),
    ],
)  # fmt: skip
def test_what_a_model_does_not_know_is_refused_before_it_is_called(model, key, path, inputs, fields, code, param):
    got, calls = asked(model, key, tensor_map(*inputs), picture(), path, **fields)
    assert (got.status, got.error["code"], got.error["param"]) == (400, code, param)
    assert calls == []
    assert not UsageRecord.objects.exists()


def test_a_model_of_one_size_draws_it_and_says_which(model, key):
    for fields in ({}, {"size": "auto"}, {"size": "64x64"}):
        got, calls = asked(model, key, tensor_map(PROMPT), picture("PNG", (20, 10)), **fields)
        assert got.json["size"] == "20x10"
        assert calls == [{"prompt": [b"a gable"]}]


@pytest.mark.parametrize(("size", "told"), [((40, 30), (40, 30)), ((400, 30), (64, 64))])
def test_an_edit_is_as_large_as_its_picture_where_the_model_draws_that(model, key, size, told):
    file = picture("WEBP", size)
    _, calls = asked(model, key, tensor_map(*USUAL), picture(), EDITS, image=data_url(file))
    assert (calls[0]["width"], calls[0]["height"], calls[0]["image"]) == ([told[0]], [told[1]], [file])


MASK = scalar("mask", "BYTES", optional=True)


@pytest.mark.parametrize(
    ("mask", "refused"),
    [
        (picture("PNG", mode="RGBA"), False),
        (picture("PNG", mode="LA"), False),
        (picture("PNG"), True),
        (picture("WEBP", mode="RGBA"), True),
        (picture("PNG", (12, 16), mode="RGBA"), True),
    ],
)
def test_a_mask_is_transparent_and_as_large_as_the_picture(model, key, mask, refused):
    fields = {"image": data_url(picture()), "mask": data_url(mask)}
    got, calls = asked(model, key, tensor_map(*USUAL, MASK), picture(), EDITS, **fields)
    if refused:
        assert (got.status, got.error["code"], got.error["param"]) == (400, "invalid_value", "mask")
    else:
        assert (got.status, calls[0]["mask"]) == (200, [mask])


def test_a_deployment_with_one_place_draws_one_after_the_other(model, key):
    engine = Engine(lambda call: picture(), seconds=0.01)
    got = asking(model, {engine: tensor_map(*USUAL)}, lambda: post(key, GENERATIONS, n=6), max_concurrency=1)
    assert len(got.json["data"]) == 6
    assert engine.most == 1


def test_what_is_half_drawn_waits_for_others_to_finish(model, key, settings):
    settings.DEPLOYMENT_WAIT_SECONDS = 0.3
    engine = Engine(lambda call: picture(), seconds=0.1, slowly=0.8)

    async def both() -> list[Got]:
        first = asyncio.create_task(post(key, GENERATIONS, n=3))
        await engine.first.wait()
        return await asyncio.gather(first, post(key, GENERATIONS, prompt="slowly"))

    answers = asking(model, {engine: tensor_map(*USUAL)}, both, max_concurrency=1)
    assert [(got.status, len(got.json["data"])) for got in answers] == [(200, 3), (200, 1)]
    assert [call["prompt"] for call in engine.calls].index([b"slowly"]) < 3


def test_several_are_drawn_at_once_but_not_all(model, key):
    engine = Engine(lambda call: picture(), seconds=0.05)
    asking(model, {engine: tensor_map(*USUAL)}, lambda: post(key, GENERATIONS, n=10), max_concurrency=10)
    assert engine.most == 4


def test_another_deployment_takes_over_what_one_fails_at(model, key):
    broken, good = Engine(lambda call: 500), Engine(lambda call: picture())
    got = asking(model, {broken: tensor_map(*USUAL), good: tensor_map(*USUAL)}, lambda: post(key, GENERATIONS, n=4))
    assert got.status == 200
    assert len(good.calls) == 4


@pytest.mark.parametrize("made", [500, b"no image", picture()[:40], np.zeros((8, 8), np.uint8)])
@pytest.mark.parametrize("stream", [True, False])
def test_an_engine_that_fails_is_told_of_and_costs_nothing(model, key, made, stream):
    got, _ = asked(model, key, tensor_map(*USUAL), made, n=2, stream=stream)
    assert (got.status, got.error["type"]) == (502, "server_error")
    assert b"canary" not in got.body
    found = UsageRecord.objects.get()
    assert (found.outcome, found.cost_nano) == ("failed", 0)


def test_a_failure_in_the_midst_of_a_stream_is_an_event_and_no_cost(model, key):
    made = iter([picture()])
    engine = Engine(lambda call: next(made, 400), seconds=0.1)
    got = asking(
        model, {engine: tensor_map(*USUAL)}, lambda: post(key, GENERATIONS, n=3, stream=True), max_concurrency=1
    )
    first, last, end = got.body.split(b"\n\n")
    assert (got.status, end) == (200, b"")
    assert first.startswith(b"event: image_generation.completed\ndata: {")
    assert json.loads(last.removeprefix(b"data: "))["error"]["type"] == "server_error"
    found = UsageRecord.objects.get()
    assert (found.outcome, found.cost_nano, found.streamed) == ("failed", 0, True)


def test_who_leaves_pays_for_what_is_there_and_the_rest_is_not_drawn(model, key):
    engine = Engine(lambda call: picture(), seconds=0.05)

    async def leave() -> None:
        task = asyncio.create_task(post(key, GENERATIONS, n=10))
        await engine.third.wait()
        clients_gone.add(task)
        task.cancel()
        await asyncio.wait({task})
        await asyncio.sleep(0.2)

    asking(model, {engine: tensor_map(*USUAL)}, leave, max_concurrency=1)
    found = UsageRecord.objects.get()
    assert (found.outcome, found.images, found.cost_nano) == ("cancelled", 2, 2 * NANO)
    assert len(engine.calls) == 3
    assert engine.left == 1


def test_a_model_without_a_tokenizer_guesses_and_says_so(model, key):
    got, _ = asked(model, key, tensor_map(*USUAL), picture(), prompt="x" * 400)
    found = UsageRecord.objects.get()
    assert (found.input_tokens, found.token_source, found.images, found.cost_nano) == (100, "estimated", 1, NANO)
    assert got.json["usage"]["input_tokens_details"] == {"text_tokens": 100, "image_tokens": 0}


def test_what_an_engine_counts_is_what_is_told_and_billed(model, key):
    described = tensor_map(*USUAL)
    described["outputs"]["tokens"] = {"tensor": "count"}
    got, _ = asked(model, key, described, picture(), n=3)
    assert got.json["usage"]["input_tokens"] == TOKENS
    found = UsageRecord.objects.get()
    assert (found.input_tokens, found.token_source, found.images) == (TOKENS, "reported", 3)


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        (GENERATIONS, {"n": 2}, 200),
        (GENERATIONS, {"n": 2, "stream": True}, 200),
        (EDITS, {"image": data_url(picture()[:40])}, 400),
        (GENERATIONS, {"prompt": "fails"}, 502),
    ],
)
def test_a_request_for_images_leaves_no_cycles_behind(model, key, path, fields, status):
    engine = Engine(lambda call: 400 if call["prompt"] == [b"fails"] else picture())

    async def ask_often() -> Counter[str]:
        for _ in range(2):
            assert (await post(key, path, **fields)).status == status
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(REQUESTS):
                await post(key, path, **fields)
            await asyncio.sleep(0.05)
            gc.collect()
            return Counter(f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in gc.garbage)
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    left = asking(model, {engine: tensor_map(*USUAL)}, ask_often)
    # Loading the catalogue, which happens meanwhile, leaves such behind.
    for kind in ("dict", "list", "tuple"):
        left.pop(f"builtins.{kind}", None)
    assert max(left.values(), default=0) < REQUESTS, left


def test_a_model_that_edits_nothing_says_so(model, key):
    got, calls = asked(model, key, tensor_map(PROMPT), picture(), EDITS, image=data_url(picture()))
    assert (got.status, got.error["code"], calls) == (404, "model_not_found", [])


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ({}, {"default": "1024x1024", "smallest_side": 64, "largest_side": 2048, "multiple_of": 1}),
        ({"default": "8x8", "only": ["8*8", "16x8"]}, {"default": "8x8", "only": ["8x8", "16x8"]}),
    ],
)
def test_models_are_listed_with_the_sizes_in_which_they_draw(model, key, sizes, told):
    publish_model(actor=ACTOR, model_id=model.model_id, image_sizes=sizes)
    catalogue.clear()
    listed = asyncio.run(answer(f"/v1/models/{model.model_id}", key)).json
    assert listed["image_sizes"] == told
