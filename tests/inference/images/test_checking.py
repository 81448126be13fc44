"""Images are looked at before they are decoded, and decoded before anything uses them."""

import tracemalloc
import zlib
from contextlib import suppress

import pytest

from inference.errors import InvalidRequest
from inference.images import ImageInfo, check_image
from tests.inference.images.pictures import animated, chunk, many_scans, picture, png

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><rect width="10" height="10"/></svg>'


def refusal(data: bytes) -> InvalidRequest:
    """What is said of an image that is refused."""
    with pytest.raises(InvalidRequest) as raised:
        check_image(data, param="messages[0].content[1].image_url.url")
    error = raised.value
    assert (error.status, error.param) == (400, "messages[0].content[1].image_url.url")
    assert error.__cause__ is None
    assert error.__context__ is None
    return error


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_the_four_formats_are_known_by_their_bytes(kind):
    assert check_image(picture(kind), param="image") == ImageInfo(kind, 16, 12)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_pixel_is_taken(mode):
    assert check_image(picture("PNG", mode=mode), param="image").format == "PNG"


def test_a_jpeg_with_more_pictures_in_it_counts_as_its_first():
    assert check_image(animated("MPO"), param="image") == ImageInfo("JPEG", 8, 8)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_image_file"),
        (b"no image at all", "invalid_image_format"),
        (SVG, "invalid_image_format"),
        (b"%PDF-1.7\n" + picture("PNG"), "invalid_image_format"),
        (b"<html>" + picture("GIF"), "invalid_image_format"),
        (picture("BMP"), "invalid_image_format"),
        (picture("TIFF"), "invalid_image_format"),
        (picture("ICO"), "invalid_image_format"),
        (animated("GIF"), "invalid_image_format"),
        (animated("WEBP"), "invalid_image_format"),
        (animated("PNG"), "invalid_image_format"),
        (png(50_000, 50_000, b""), "image_too_large"),
        (png(2**31 - 1, 2**31 - 1, b""), "image_too_large"),
        (png(64, 64, b"\0" * 10), "image_parse_error"),
        (b"\x89PNG\r\n\x1a\n", "invalid_image_format"),
        (many_scans(), "image_parse_error"),
    ],
)
def test_what_is_no_sound_image_is_refused(data, code):
    assert refusal(data).code == code


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_truncated_file_is_refused_wherever_it_ends(kind):
    data = picture(kind, (64, 64))
    for length in range(1, len(data) - 40, max(1, len(data) // 25)):
        assert refusal(data[:length]).code in {"image_parse_error", "invalid_image_format"}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_broken_bytes_never_raise_anything_else(kind):
    data = bytearray(picture(kind, (24, 24)))
    for position in range(0, len(data), 3):
        broken = bytes(data[:position]) + bytes([data[position] ^ 0xFF]) + bytes(data[position + 1 :])
        with suppress(InvalidRequest):
            assert check_image(broken, param="image").format == kind


def test_limits_are_the_operators(settings):
    data = picture("PNG", (20, 10))
    settings.IMAGE_MAX_PIXELS = 200
    assert check_image(data, param="image").width == 20
    settings.IMAGE_MAX_PIXELS = 199
    assert refusal(data).code == "image_too_large"
    settings.IMAGE_MAX_BYTES = len(data) - 1
    assert refusal(data).code == "image_file_too_large"


def test_a_bomb_costs_no_memory():
    # A gigabyte of zeros in a megabyte, and a text as long: neither is unpacked.
    packer = zlib.compressobj(9)
    zeros = b"".join(packer.compress(bytes(2**24)) for _ in range(16)) + packer.flush()
    pixels = png(30_000, 30_000, b"").replace(chunk(b"IDAT", zlib.compress(b"")), chunk(b"IDAT", zeros))
    text = png(4, 4, b"\0" * 20, chunk(b"zTXt", b"Comment\0\0" + zeros))
    tracemalloc.start()
    try:
        assert refusal(pixels).code == "image_too_large"
        assert refusal(text).code == "image_parse_error"
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_what_a_file_says_of_itself_is_not_repeated():
    error = refusal(png(64, 64, b"\0" * 5, chunk(b"tEXt", b"Comment\0canary")))
    assert "canary" not in error.message
