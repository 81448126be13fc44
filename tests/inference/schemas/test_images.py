"""Requests for images, as JSON and as forms."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.api.multipart import Form
from inference.api.schemas.images import decode_edit, decode_edit_form, decode_generation, drawing_of
from inference.conversation import Picture
from inference.errors import InvalidRequest
from inference.image_sizes import Size
from inference.images.drawing import Output, Upload

URL = "data:image/png;base64,AAAA"


def generation(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "prompt": "a gable", **fields}).encode()


def refusal(decode: Any, body: Any) -> tuple[str | None, str | None]:
    with pytest.raises(InvalidRequest) as raised:
        decode(body)
    assert raised.value.status == 400
    assert raised.value.__context__ is None
    return raised.value.code, raised.value.param


def test_what_is_absent_is_the_models_own():
    drawing = drawing_of(decode_generation(generation(n=None, size=None, seed=None, stream=None)))
    assert drawing == drawing_of(decode_generation(generation(size="auto")))
    assert (drawing.n, drawing.size, drawing.seed, drawing.output) == (1, None, None, Output("PNG", None))


def test_everything_that_is_asked_for_arrives():
    fields = {
        "n": 3, "size": "640*480", "seed": 5, "steps": 20, "guidance_scale": 4, "negative_prompt": "cars",
        "output_format": "webp", "output_compression": 0,
    }  # fmt: skip
    drawing = drawing_of(decode_generation(generation(**fields)))
    assert (drawing.n, drawing.size, drawing.seed, drawing.steps) == (3, Size(640, 480), 5, 20)
    assert (drawing.guidance_scale, drawing.negative_prompt) == (4.0, "cars")
    assert drawing.output == Output("WEBP", 1)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"model": None}, "invalid_type", "model"),
        ({"prompt": ""}, "empty_string", "prompt"),
        ({"prompt": "a" * 32_001}, "string_above_max_length", "prompt"),
        ({"n": 0}, "integer_below_min_value", "n"),
        ({"n": 11}, "integer_above_max_value", "n"),
        ({"n": "2"}, "invalid_type", "n"),
        ({"size": 1024}, "invalid_type", "size"),
        ({"size": "big"}, "invalid_value", "size"),
        ({"size": "1x" * 30}, "string_above_max_length", "size"),
        ({"response_format": "url"}, "unsupported_value", "response_format"),
        ({"response_format": "file"}, "invalid_value", "response_format"),
        ({"output_format": "svg"}, "invalid_value", "output_format"),
        ({"output_format": "gif"}, "invalid_value", "output_format"),
        ({"output_compression": 101, "output_format": "jpeg"}, "integer_above_max_value", "output_compression"),
        ({"output_compression": 50}, "invalid_value", "output_compression"),
        ({"partial_images": 4, "stream": True}, "integer_above_max_value", "partial_images"),
        ({"partial_images": 1}, "invalid_value", "partial_images"),
        ({"seed": 2**63}, "integer_above_max_value", "seed"),
        ({"steps": 201}, "integer_above_max_value", "steps"),
        ({"guidance_scale": -0.1}, "decimal_below_min_value", "guidance_scale"),
        ({"quality": "best"}, "invalid_value", "quality"),
        ({"svg": {}}, "unsupported_parameter", "svg"),
        ({"frame_count": 4}, "unsupported_parameter", "frame_count"),
    ],
)
def test_wrong_fields_are_named(fields, code, param):
    assert refusal(decode_generation, generation(**fields)) == (code, param)


def test_missing_fields_are_named():
    assert refusal(decode_generation, b'{"prompt": "x"}') == ("missing_required_parameter", "model")
    assert refusal(decode_generation, b'{"model": "x"}') == ("missing_required_parameter", "prompt")


def test_wishes_and_unknown_fields_are_accepted():
    fields = {
        "quality": "hd", "style": "natural", "background": "transparent", "moderation": "low", "user": "somebody",
        "safety_identifier": "x", "output_compression": 100, "unknown": {"deep": [1]}, "response_format": "b64_json",
    }  # fmt: skip
    assert decode_generation(generation(**fields)).quality == "hd"


def test_the_reason_against_urls_is_told():
    with pytest.raises(InvalidRequest, match="stores nothing"):
        decode_generation(generation(response_format="url"))


@pytest.mark.parametrize(
    ("fields", "params"),
    [
        ({"image": URL}, ["image"]),
        ({"image": {"image_url": URL}}, ["image.image_url"]),
        ({"image": [URL, {"image_url": URL}]}, ["image[0]", "image[1].image_url"]),
        ({"images": [{"image_url": URL}, URL]}, ["images[0].image_url", "images[1]"]),
    ],
)
def test_pictures_of_json_edits_know_their_path(fields, params):
    edit = decode_edit(generation(**fields, mask={"image_url": URL}))
    assert edit.pictures == tuple(Picture(URL, param) for param in params)
    assert edit.mask == Picture(URL, "mask.image_url")


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({}, "missing_required_parameter", "image"),
        ({"image": []}, "empty_array", "image"),
        ({"image": ""}, "empty_string", "image"),
        ({"image": 5}, "invalid_type", "image"),
        ({"image": [URL, 5]}, "invalid_type", "image[1]"),
        ({"image": [{"image_url": 5}]}, "invalid_type", "image[0].image_url"),
        ({"image": {}}, "missing_required_parameter", "image.image_url"),
        ({"image": [URL] * 17}, "array_above_max_length", "image"),
        ({"images": [URL] * 17}, "array_above_max_length", "images"),
        ({"images": [{"file_id": "file-1"}]}, "unsupported_parameter", "images[0].file_id"),
        ({"image": URL, "mask": {"file_id": "file-1"}}, "unsupported_parameter", "mask.file_id"),
        ({"image": URL, "markup": {}}, "unsupported_parameter", "markup"),
        ({"image": URL, "input_fidelity": "best"}, "invalid_value", "input_fidelity"),
    ],
)
def test_wrong_json_edits_are_named(fields, code, param):
    assert refusal(decode_edit, generation(**fields)) == (code, param)


def form(files: dict[str, list[bytes]] | None = None, **texts: str) -> Form:
    return Form({"model": "m", "prompt": "1", **texts}, {"image": [b"a"]} if files is None else files)


def test_texts_of_a_form_are_numbers_where_these_are_wanted():
    texts = {"n": "3", "stream": "true", "seed": "7", "guidance_scale": "2.5", "user": "5", "steps": ""}
    edit = decode_edit_form(form(**texts))
    assert (edit.request.prompt, edit.request.user) == ("1", "5")
    drawing = drawing_of(edit.request, edit.pictures)
    assert (drawing.n, drawing.seed, drawing.guidance_scale) == (3, 7, 2.5)
    assert edit.request.stream is True
    assert edit.pictures == (Upload(b"a", "image"),)


def test_files_of_a_form_are_numbered():
    edit = decode_edit_form(form({"image": [b"a", b"b"], "mask": [b"c"]}))
    assert edit.pictures == (Upload(b"a", "image"), Upload(b"b", "image[1]"))
    assert edit.mask == Upload(b"c", "mask")
    assert decode_edit_form(form({}, image=URL, mask=URL)).pictures == (Picture(URL, "image"),)


@pytest.mark.parametrize(
    ("wrong", "code", "param"),
    [
        (form({}), "missing_required_parameter", "image"),
        (form({"image": [b"a"] * 17}), "array_above_max_length", "image"),
        (form({"image": [b"a"], "mask": [b"a", b"b"]}), "array_above_max_length", "mask"),
        (form({"image": [b"a"], "markup": [b"a"]}), "unsupported_parameter", "markup"),
        (form(n="two"), "invalid_type", "n"),
        (form(prompt=""), "empty_string", "prompt"),
        (form(n="11"), "integer_above_max_value", "n"),
        (form(stream="perhaps"), "invalid_type", "stream"),
        (form(guidance_scale="nan"), "decimal_below_min_value", "guidance_scale"),
        (form(response_format="url"), "unsupported_value", "response_format"),
        (Form({"model": "m"}, {"image": [b"a"]}), "missing_required_parameter", "prompt"),
    ],
)
def test_wrong_forms_are_named(wrong, code, param):
    assert refusal(decode_edit_form, wrong) == (code, param)


FIELDS = st.sampled_from(
    ["n", "size", "seed", "steps", "stream", "image", "images", "mask", "output_format", "guidance_scale", "prompt"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.dictionaries(FIELDS, JSON))
def test_no_body_does_more_than_be_refused(fields):
    body = msgspec.json.encode({"model": "m", "prompt": "p", "image": URL, **fields})
    for decode in (decode_generation, decode_edit):
        try:
            decode(body)
        except InvalidRequest as error:
            assert error.param is not None  # noqa: PT017 - whatever is wrong, it has a name
