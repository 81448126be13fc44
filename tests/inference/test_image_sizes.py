"""Sizes of images, as operators set them and clients write them."""

import pytest
from django.core.exceptions import ValidationError

from inference.image_sizes import ImageSizes, ImageSizesError, Size, parse_image_sizes, parse_size
from inference.models import ServedModel


@pytest.mark.parametrize("text", ["1024x768", "1024X768", "1024*768", " 1024x768 "])
def test_a_size_is_read_however_it_is_written(text):
    assert parse_size(text) == Size(1024, 768)
    assert str(parse_size(text)) == "1024x768"


@pytest.mark.parametrize("text", ["", "auto", "1024", "x", "1024x", "-1x5", "1024x768x3", "999999x1", "٣x٤", "1e3x5"])
def test_what_is_no_size_is_none(text):
    assert parse_size(text) is None


@pytest.mark.parametrize(
    ("sizes", "allowed", "refused"),
    [
        ({}, ["64x64", "1024x1024", "2048x65"], ["63x64", "2049x64", "0x64"]),
        ({"smallest": 256, "largest": 512, "multiple": 64, "default": "256x512"}, ["320x448"], ["300x448", "576x512"]),
        ({"default": "512x512", "only": ["512x512", "512*768"]}, ["512x512", "512x768"], ["768x512", "256x256"]),
    ],
)
def test_a_model_draws_what_its_operator_says(sizes, allowed, refused):
    found = parse_image_sizes(sizes)
    assert all(found.allow(parse_size(text) or Size(0, 0)) for text in allowed)
    assert not any(found.allow(parse_size(text) or Size(0, 0)) for text in refused)


def test_sizes_are_told_in_words():
    assert str(ImageSizes()) == "WIDTHxHEIGHT, each from 64 to 2048"
    assert str(ImageSizes(multiple=8)) == "WIDTHxHEIGHT, each from 64 to 2048, in multiples of 8"
    assert str(ImageSizes(only=["1x1", "2x2", "3x3"])) == "1x1, 2x2 or 3x3"
    assert str(ImageSizes(only=["1x1"])) == "1x1"


@pytest.mark.parametrize(
    "content",
    [
        [], "1024x1024", {"default": 5}, {"default": "large"}, {"only": ["512"]}, {"unknown": 1}, {"smallest": 0},
        {"largest": 99_999}, {"default": "4096x4096"}, {"default": "512x512", "only": ["256x256"]},
        {"smallest": 512, "largest": 256}, {"multiple": 1000},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_beside_its_field(content):
    with pytest.raises(ImageSizesError):
        parse_image_sizes(content)


@pytest.mark.django_db
def test_a_model_with_senseless_sizes_is_not_saved():
    model = ServedModel(model_id="acme/draw", capabilities=["images"], image_sizes={"default": "large"})
    with pytest.raises(ValidationError) as raised:
        model.full_clean()
    assert "image_sizes" in raised.value.message_dict
    model.image_sizes = {"default": "512x512"}
    model.full_clean()
