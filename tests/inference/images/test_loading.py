"""Pictures of a request become checked files."""

import base64

import pytest

from inference.conversation import Picture
from inference.errors import InvalidRequest
from inference.images import load_pictures
from tests.inference.images.pictures import data_url, picture, png

PARAM = "messages[2].content[1].image_url.url"


async def refused(url: str) -> str | None:
    """The code of the refusal of a picture."""
    with pytest.raises(InvalidRequest) as raised:
        await load_pictures([Picture(url, PARAM)])
    assert raised.value.param == PARAM
    assert raised.value.__context__ is None
    assert len(url) < 20 or url[-20:] not in raised.value.message
    return raised.value.code


async def test_data_urls_become_files_in_their_order():
    files = [picture("PNG"), picture("JPEG"), picture("WEBP"), picture("GIF")]
    assert await load_pictures([Picture(data_url(data), PARAM) for data in files]) == tuple(files)


async def test_the_media_type_is_not_believed():
    data = picture("WEBP")
    assert await load_pictures([Picture(data_url(data, "image/svg+xml"), PARAM)]) == (data,)
    svg = data_url(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/png")
    assert await refused(svg) == "invalid_image_format"


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.rstrip("="),
        lambda url: url.replace("data:", "DATA:"),
        lambda url: url.replace(";base64", ";name=a.png;base64"),
        lambda url: "\n".join(url[i : i + 76] for i in range(0, len(url), 76)) + "\n",
        lambda url: url.replace("+", "%2B").replace("/", "%2F").replace("image%2Fpng", "image/png"),
    ],
)
async def test_usual_spellings_are_taken(change):
    data = picture("PNG", (33, 31))
    assert await load_pictures([Picture(change(data_url(data)), PARAM)]) == (data,)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "invalid_image_url"),
        ("data:image/png,plain", "invalid_image_url"),
        ("data:image/png;base64", "invalid_image_url"),
        ("file:///etc/passwd", "invalid_image_url"),
        ("ftp://example.eu/a.png", "invalid_image_url"),
        ("//example.eu/a.png", "invalid_image_url"),
        ("https://example.eu/a.png", "invalid_image_url"),
        ("http://example.eu/a.png", "invalid_image_url"),
        ("data:image/png;base64,", "empty_image_file"),
        ("data:image/png;base64,a", "invalid_base64_image"),
        ("data:image/png;base64,ää==", "invalid_base64_image"),
        ("data:image/png;base64,ab_-", "invalid_base64_image"),
        (data_url(b"nothing of the kind"), "invalid_image_format"),
        (data_url(png(50_000, 50_000, b"")), "image_too_large"),
    ],
)
async def test_what_is_no_picture_is_refused_by_its_path(url, code):
    assert await refused(url) == code


async def test_more_bytes_than_allowed_are_not_even_decoded(settings):
    settings.IMAGE_MAX_BYTES = 1000
    assert await refused(f"data:image/png;base64,{'!' * 2000}") == "image_file_too_large"
    assert await refused(data_url(bytes(1001))) == "image_file_too_large"


async def test_more_images_than_allowed_are_refused_at_the_first_too_many(settings):
    settings.IMAGES_PER_REQUEST = 2
    url = data_url(picture())
    assert len(await load_pictures([Picture(url, f"input[{i}]") for i in range(2)])) == 2
    with pytest.raises(InvalidRequest) as raised:
        await load_pictures([Picture(url, f"input[{i}]") for i in range(3)])
    assert (raised.value.param, raised.value.code) == ("input[2]", "too_many_images")


async def test_many_large_images_are_too_large_together(settings):
    settings.IMAGE_MAX_PIXELS = 16 * 12
    url = data_url(picture())
    assert len(await load_pictures([Picture(url, f"input[{i}]") for i in range(8)])) == 8
    with pytest.raises(InvalidRequest) as raised:
        await load_pictures([Picture(url, f"input[{i}]") for i in range(10)])
    assert (raised.value.param, raised.value.code) == ("input[8]", "image_too_large")


async def test_an_unchanged_file_comes_out():
    data = base64.b64decode(base64.b64encode(picture("PNG") + b"trailing bytes"))
    assert await load_pictures([Picture(data_url(data), PARAM)]) == (data,)
