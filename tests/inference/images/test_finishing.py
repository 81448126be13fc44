"""What an engine made becomes the file that a client asked for."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from inference.errors import BackendFailed
from inference.images.drawing import Output
from inference.images.finishing import Finished, finish
from tests.inference.images.pictures import picture, png


def opened(finished: Finished) -> Image.Image:
    """The file, decoded."""
    image = Image.open(io.BytesIO(base64.b64decode(finished.base64, validate=True)))
    image.load()
    assert image.size == (finished.width, finished.height)
    return image


@pytest.mark.parametrize("made", ["PNG", "JPEG", "WEBP", "array"])
@pytest.mark.parametrize("wanted", ["PNG", "JPEG", "WEBP"])
def test_every_form_becomes_every_other(made, wanted):
    source = picture("PNG" if made == "array" else made, (20, 10))
    pixels = np.asarray(Image.open(io.BytesIO(source)).convert("RGB"))
    finished = finish(pixels if made == "array" else source, Output(wanted))
    image = opened(finished)
    assert (image.format, image.size, finished.transparent) == (wanted, (20, 10), False)
    assert np.abs(np.asarray(image.convert("RGB")).astype(int) - pixels).mean() < 8


def test_a_file_of_the_right_form_stays_as_it_is():
    made = picture("PNG")
    assert base64.b64decode(finish(made, Output("PNG")).base64) == made
    made = picture("JPEG")
    assert base64.b64decode(finish(made, Output("JPEG")).base64) == made
    assert base64.b64decode(finish(made, Output("JPEG", 10)).base64) != made


def test_quality_is_size():
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    for form in ("JPEG", "WEBP"):
        best, usual, worst = (len(finish(noise, Output(form, quality)).base64) for quality in (100, None, 1))
        assert best > usual > worst


def test_what_shows_through_is_told_and_white_behind_a_jpeg():
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    file = io.BytesIO()
    image.save(file, "PNG")
    assert finish(file.getvalue(), Output("PNG")).transparent
    assert finish(file.getvalue(), Output("WEBP")).transparent
    flat = finish(file.getvalue(), Output("JPEG"))
    assert not flat.transparent
    assert min(opened(flat).getpixel((1, 1))) > 250
    image.putalpha(255)
    file = io.BytesIO()
    image.save(file, "PNG")
    assert not finish(file.getvalue(), Output("PNG")).transparent


@pytest.mark.parametrize("made", [b"", b"no image", png(50_000, 50_000, b""), picture()[:50]])
def test_what_is_no_image_is_the_engines_fault(made):
    with pytest.raises(BackendFailed) as raised:
        finish(made, Output())
    assert raised.value.__context__ is None


def test_an_engine_keeps_to_the_limits_too(settings):
    settings.IMAGE_MAX_PIXELS = 100
    assert finish(np.zeros((10, 10, 3), np.uint8), Output()).width == 10
    for made in (np.zeros((10, 11, 3), np.uint8), picture("PNG", (10, 11))):
        with pytest.raises(BackendFailed):
            finish(made, Output())
