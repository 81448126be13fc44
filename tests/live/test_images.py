"""Images through the whole stack: drawn and edited by the real Triton's demo-image, as OpenAI's SDK sees them."""

import asyncio
import base64
import io
import json
import uuid
from typing import Any

import httpx
import openai
import pytest
from openai.types import ImagesResponse
from PIL import Image

from tests.inference.images.pictures import data_url, picture, png
from tests.inference.wire.openai_types import known_to_openai, strict_image_event, strict_images
from tests.live.asking import bearer, call, check, check_headers
from tests.live.engines import eventually
from tests.live.planting import listed
from tests.stack import Server, Stack

pytestmark = pytest.mark.live

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
SMALL = "64x48"
NANO_PER_IMAGE = 40_000_000
PUBLISH = """
from billing.services import set_price
from inference.services import add_deployment, publish_model
scalar = lambda name, dtype, **more: {{"tensor": name, "dtype": dtype, "shape": [1], "source": name, **more}}
set_price(model_id="{name}", input_nano=0, output_nano=0, image_nano={price})
model, _ = publish_model(
    actor="test", model_id="{name}", assets="demo-chat", capabilities=["images", "image_edits"], context_length=200,
    input_modalities=["text", "image"], output_modalities=["image"],
    image_sizes={{"default": "256x256", "smallest": 16, "largest": 512, "multiple": 2}},
)
add_deployment(
    actor="test", name="{name}", model=model, url="{url}", triton_model="demo-image", adapter="triton_tensors",
    max_concurrency=2,
    tensor_map={{
        "inputs": [
            scalar("prompt", "BYTES"), scalar("negative_prompt", "BYTES", optional=True),
            scalar("width", "INT32"), scalar("height", "INT32"), scalar("seed", "INT64", optional=True),
            scalar("steps", "INT32", optional=True), scalar("guidance_scale", "FP32", optional=True),
            {{"tensor": "image", "dtype": "BYTES", "shape": ["N"], "source": "image", "optional": True}},
            scalar("mask", "BYTES", optional=True),
        ],
        "outputs": {{"image": {{"tensor": "generated_image", "encoding": "png_bytes"}}}},
    }},
)
"""


@pytest.fixture(scope="module")
def model(stack: Stack) -> str:
    """A published image model, which every server knows."""
    name = f"image-{uuid.uuid4().hex[:8]}"
    code = PUBLISH.format(name=name, price=NANO_PER_IMAGE, url=stack.triton_url)
    stack.manage("shell", "--no-imports", "-c", code)
    for server in stack.servers.values():
        eventually(lambda v1=server.v1: name in listed(v1, stack.api_key))
    return name


def opened(encoded: str | None) -> Image.Image:
    """The image of an answer, decoded."""
    image = Image.open(io.BytesIO(base64.b64decode(encoded or "", validate=True)))
    image.load()
    return image


def record(server: Server, stack: Stack, request_id: str) -> dict[str, Any]:
    """The usage record of a request."""
    answer = httpx.get(f"{server.v1}/usage/records", headers=bearer(stack.api_key), timeout=30).json()
    (found,) = [row for row in answer["data"] if row["id"] == request_id]
    return found


def draw(client: openai.OpenAI, model: str, **fields: Any) -> ImagesResponse:
    """An answer, held against the SDK's types."""
    fields = {"model": model, "prompt": "A brick gable in Lübeck", "size": SMALL, **fields}
    answer = client.images.with_raw_response.generate(**fields)
    check_headers(answer.http_response)
    return strict_images(json.loads(answer.text))


def image_events(answer: httpx.Response, kind: str) -> list[dict[str, Any]]:
    """The events of a stream of images, each held against the SDK's types."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = []
    for frame in answer.text.split("\n\n")[:-1]:
        name, data = frame.split("\n")
        assert name == f"event: {kind}.completed"
        found.append(json.loads(data.removeprefix("data: ")))
        strict_image_event(found[-1])
        assert found[-1]["type"] == f"{kind}.completed"
    return found


def test_an_image_is_drawn_validates_and_is_billed(server, stack, client, model):
    answer = client.images.with_raw_response.generate(model=model, prompt="A harbour at night", size="96x64", n=2)
    body = strict_images(json.loads(answer.text))
    assert [opened(image.b64_json).size for image in body.data or []] == [(96, 64), (96, 64)]
    assert (body.size, body.output_format, body.background) == ("96x64", "png", "opaque")
    row = record(server, stack, answer.headers["x-request-id"])
    assert (row["endpoint"], row["outcome"], row["images"]) == ("images.generations", "completed", 2)
    assert row["input_tokens"] == body.usage.input_tokens > 0
    assert row["streamed"] is False
    assert row["cost_nano"] == 2 * NANO_PER_IMAGE


def test_a_seed_repeats_and_each_image_has_its_own(client, model):
    one, two, three = (image.b64_json for image in draw(client, model, n=3, extra_body={"seed": 7}).data)
    assert len({one, two, three}) == 3
    assert [image.b64_json for image in draw(client, model, n=2, extra_body={"seed": 8}).data] == [two, three]
    assert draw(client, model).data[0].b64_json != draw(client, model).data[0].b64_json


@pytest.mark.parametrize(
    ("size", "drawn"), [("64*48", SMALL), ("64X48", SMALL), ("auto", "256x256"), (openai.NOT_GIVEN, "256x256")]
)
def test_sizes_are_written_in_many_ways(client, model, size, drawn):
    answer = draw(client, model, size=size)
    assert answer.size == drawn
    assert "x".join(map(str, opened(answer.data[0].b64_json).size)) == drawn


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_the_format_is_the_clients(client, model, form):
    answer = draw(client, model, output_format=form, response_format="b64_json")
    assert answer.output_format == form
    assert opened(answer.data[0].b64_json).format == form.upper()


def test_compression_makes_files_smaller(client, model):
    asked = {"size": "256x256", "output_format": "jpeg", "extra_body": {"seed": 1}}
    sizes = [len(draw(client, model, output_compression=value, **asked).data[0].b64_json) for value in (100, 20)]
    assert sizes[0] > 2 * sizes[1]


def test_extensions_and_harmless_fields_are_accepted(client, model):
    extras = {"steps": 5, "guidance_scale": 3.5, "negative_prompt": "blue", "seed": 3, "never_heard_of": [1]}
    fields = {"quality": "high", "style": "vivid", "background": "auto", "moderation": "low", "user": "me"}
    answer = draw(client, model, extra_body=extras, **fields)
    plain = draw(client, model, extra_body={"seed": 3})
    assert answer.quality == "high"
    assert answer.data[0].b64_json != plain.data[0].b64_json


def test_a_stream_has_an_event_for_each_image(server, stack, client, model):
    body = {"model": model, "prompt": "Sails", "size": SMALL, "n": 2, "seed": 5, "stream": True, "partial_images": 2}
    answer = call(server, stack.api_key, path=GENERATIONS, json=body)
    events = image_events(answer, "image_generation")
    assert [opened(event["b64_json"]).size for event in events] == [(64, 48)] * 2
    row = record(server, stack, answer.headers["x-request-id"])
    assert (row["images"], row["streamed"], row["cost_nano"]) == (2, True, 2 * NANO_PER_IMAGE)
    assert sum(event["usage"]["input_tokens"] for event in events) == row["input_tokens"]
    whole = draw(client, model, prompt="Sails", n=2, extra_body={"seed": 5})
    assert [event["b64_json"] for event in events] == [image.b64_json for image in whole.data]


async def test_the_sdk_streams_and_draws_many_at_once(async_client, model):
    async def one(number: int) -> str:
        asked = {"model": model, "prompt": f"House number {number}", "size": SMALL, "stream": True}
        stream = await async_client.images.generate(**asked)
        (event,) = [event async for event in stream]
        known_to_openai(event)
        assert event.type == "image_generation.completed"
        return event.b64_json

    assert len({*await asyncio.gather(*(one(number) for number in range(4)))}) == 4


def test_an_upload_is_edited(server, stack, client, model):
    original = picture("PNG", (80, 60))
    answer = client.images.with_raw_response.edit(model=model, image=original, prompt="invert it", n=1)
    body = strict_images(json.loads(answer.text))
    assert body.size == "80x60"
    before, after = Image.open(io.BytesIO(original)).convert("RGB"), opened(body.data[0].b64_json).convert("RGB")
    assert after.getpixel((3, 3)) == tuple(255 - value for value in before.getpixel((3, 3)))
    row = record(server, stack, answer.headers["x-request-id"])
    assert (row["endpoint"], row["images"], row["cost_nano"]) == ("images.edits", 1, NANO_PER_IMAGE)


def test_several_uploads_and_a_mask(client, model):
    base = picture("PNG", (64, 48))
    mask = Image.new("RGBA", (64, 48), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 32, 48))
    file = io.BytesIO()
    mask.save(file, "PNG")
    answer = client.images.edit(
        model=model, image=[("a.png", base), ("b.jpg", picture("JPEG")), ("c.webp", picture("WEBP"))], prompt="blur"
    )
    assert opened(answer.data[0].b64_json).size == (64, 48)
    answer = client.images.edit(model=model, image=base, mask=file.getvalue(), prompt="invert", output_format="png")
    before, after = Image.open(io.BytesIO(base)).convert("RGB"), opened(answer.data[0].b64_json).convert("RGB")
    assert after.getpixel((60, 24)) == before.getpixel((60, 24))
    assert after.getpixel((5, 24)) == tuple(255 - value for value in before.getpixel((5, 24)))


async def test_the_async_sdk_edits_and_streams(async_client, model):
    asked = {"model": model, "prompt": "grey", "image": picture("PNG", (40, 40)), "n": 2, "size": "32x32"}
    plain = await async_client.images.edit(**asked)
    assert [opened(image.b64_json).size for image in plain.data] == [(32, 32)] * 2
    events = [event async for event in await async_client.images.edit(**asked, stream=True)]
    assert [event.type for event in events] == ["image_edit.completed"] * 2


@pytest.mark.parametrize(
    "files",
    [
        [("image", ("a.png", picture(), "image/png"))],
        [("image[]", ("a.png", picture(), "application/octet-stream"))],
        [("image[]", ("a.png", picture())), ("image[]", ("b.png", picture("WEBP")))],
        [("image", ("a", picture("GIF"))), ("image", ("b", picture("JPEG")))],
        [("image[0]", ("a", picture())), ("image[1]", ("b", picture())), ("other", ("c", b"ignored"))],
    ],
)
def test_forms_by_hand_are_taken(server, stack, model, files):
    texts = {"model": model, "prompt": "sepia", "n": "1", "stream": "false", "seed": "4", "size": "32*32", "user": ""}
    answer = call(server, stack.api_key, path=EDITS, data=texts, files=files)
    assert answer.status_code == 200, answer.text
    assert strict_images(answer.json()).size == "32x32"


@pytest.mark.parametrize("where", ["image", "image_list", "images", "image_url"])
def test_edits_come_as_json_too(server, stack, model, where):
    url = data_url(picture("PNG", (30, 20)))
    forms: dict[str, Any] = {
        "image": {"image": url},
        "image_list": {"image": [url, {"image_url": url}]},
        "images": {"images": [{"image_url": url}]},
        "image_url": {"image": {"image_url": url}},
    }
    answer = call(server, stack.api_key, path=EDITS, json={"model": model, "prompt": "mirror", **forms[where]})
    assert strict_images(answer.json()).size == "30x20"


BOMB = png(50_000, 50_000, b"\0" * 1000)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (BOMB, "image_too_large"),
        (picture()[:60], "image_parse_error"),
        (b"", "empty_image_file"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "invalid_image_format"),
        (b"%PDF-1.7 " + picture(), "invalid_image_format"),
    ],
)
def test_files_that_are_no_images_are_refused(server, stack, model, file, code):
    asked = {"model": model, "prompt": "grey"}
    answer = call(server, stack.api_key, path=EDITS, data=asked, files=[("image", ("a.png", file))])
    check(answer, 400, "invalid_request_error", code, "image")
    if file:
        answer = call(server, stack.api_key, path=EDITS, json={**asked, "images": [{"image_url": data_url(file)}]})
        check(answer, 400, "invalid_request_error", code, "images[0].image_url")


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"prompt": None}, "invalid_type", "prompt"),
        ({"prompt": ""}, "empty_string", "prompt"),
        ({"prompt": "wood " * 300}, "context_length_exceeded", "prompt"),
        ({"negative_prompt": "wood " * 300}, "context_length_exceeded", "negative_prompt"),
        ({"n": 11}, "integer_above_max_value", "n"),
        ({"n": 0}, "integer_below_min_value", "n"),
        ({"size": "huge"}, "invalid_value", "size"),
        ({"size": "65x64"}, "invalid_value", "size"),
        ({"size": "1024x1024"}, "invalid_value", "size"),
        ({"response_format": "url"}, "unsupported_value", "response_format"),
        ({"output_format": "gif"}, "invalid_value", "output_format"),
        ({"output_compression": 50}, "invalid_value", "output_compression"),
        ({"partial_images": 2}, "invalid_value", "partial_images"),
        ({"steps": 0}, "integer_below_min_value", "steps"),
        ({"guidance_scale": 51}, "decimal_above_max_value", "guidance_scale"),
        ({"seed": -1}, "integer_below_min_value", "seed"),
    ],
)
def test_bad_requests_are_refused_by_name(uvicorn, stack, model, change, code, param):
    body = {"model": model, "prompt": "A tower", "size": SMALL, **change}
    check(call(uvicorn, stack.api_key, path=GENERATIONS, json=body), 400, "invalid_request_error", code, param)


def test_a_model_that_draws_nothing_is_no_image_model(uvicorn, stack):
    answer = call(uvicorn, stack.api_key, path=GENERATIONS, json={"model": "demo-chat", "prompt": "A tower"})
    check(answer, 404, "invalid_request_error", "model_not_found", "model")


@pytest.mark.parametrize("order", ["[[fail]]", "[[garbage]]", "[[bomb]]"])
@pytest.mark.parametrize("stream", [True, False])
def test_an_engine_that_fails_costs_nothing(uvicorn, stack, model, order, stream):
    body = {"model": model, "prompt": f"A tower {order}", "size": SMALL, "stream": stream, "n": 2}
    answer = call(uvicorn, stack.api_key, path=GENERATIONS, json=body)
    check(answer, 502, "server_error", "backend_error")
    row = record(uvicorn, stack, answer.headers["x-request-id"])
    assert (row["outcome"], row["cost_nano"]) == ("failed", 0)


def test_who_leaves_pays_for_what_was_drawn(server, stack, model):
    body = {"model": model, "prompt": "A tower [[delay=0.6]]", "size": SMALL, "n": 10, "stream": True}
    with httpx.stream("POST", server.url + GENERATIONS, json=body, headers=bearer(stack.api_key), timeout=30) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                break
        request_id = answer.headers["x-request-id"]
    eventually(lambda: any(row["id"] == request_id for row in rows(server, stack)))
    row = record(server, stack, request_id)
    assert row["outcome"] == "cancelled"
    assert 1 <= row["images"] <= 3
    assert row["cost_nano"] == row["images"] * NANO_PER_IMAGE


def rows(server: Server, stack: Stack) -> list[dict[str, Any]]:
    """The newest usage records."""
    answer = httpx.get(f"{server.v1}/usage/records", headers=bearer(stack.api_key), timeout=30)
    return answer.json()["data"]
