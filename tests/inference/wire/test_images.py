"""Images on the wire."""

import base64
import json

import pytest

from inference.images.finishing import Finished
from inference.wire.images import ImageEncoder
from tests.inference.wire.openai_types import strict_image_event, strict_images

ONE = Finished(base64.b64encode(b"one"), 640, 480, False)
TWO = Finished(base64.b64encode(b"two"), 640, 480, True)


def encoder(**changes: object) -> ImageEncoder:
    fields = {"edit": False, "created": 1_760_000_000, "output_format": "webp", "quality": "high"}
    return ImageEncoder(**{**fields, **changes})


def test_a_body_keeps_to_openais_types():
    body = json.loads(encoder().whole([ONE, TWO], 7))
    parsed = strict_images(body)
    assert [base64.b64decode(image.b64_json) for image in parsed.data] == [b"one", b"two"]
    assert (body["size"], body["background"], body["output_format"]) == ("640x480", "transparent", "webp")
    assert (body["created"], body["quality"]) == (1_760_000_000, "high")
    assert body["usage"] == {
        "total_tokens": 7,
        "input_tokens": 7,
        "output_tokens": 0,
        "input_tokens_details": {"text_tokens": 7, "image_tokens": 0},
    }


@pytest.mark.parametrize("quality", [None, "auto", "hd", "standard"])
def test_a_quality_that_openais_answers_do_not_name_is_left_out(quality):
    answer = encoder(quality=quality)
    assert "quality" not in strict_images(json.loads(answer.whole([ONE], 7))).model_fields_set
    assert b'"quality":"auto"' in answer.frame(ONE, 7)


@pytest.mark.parametrize(("edit", "kind"), [(False, "image_generation"), (True, "image_edit")])
def test_events_keep_to_openais_types_and_add_up(edit, kind):
    answer = encoder(edit=edit)
    frames = [answer.frame(ONE, 7), answer.frame(TWO, 9)]
    events = []
    for frame in frames:
        name, data, *rest = frame.split(b"\n")
        assert (name, rest) == (f"event: {kind}.completed".encode(), [b"", b""])
        events.append(strict_image_event(json.loads(data.removeprefix(b"data: "))))
    assert [event.background for event in events] == ["opaque", "transparent"]
    assert [event.usage.input_tokens for event in events] == [7, 2]
    assert {event.size for event in events} == {"640x480"}
