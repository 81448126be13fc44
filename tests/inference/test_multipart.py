"""Forms are taken apart in memory."""

import tempfile

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from inference.api.multipart import Form, form_ms, parse_form
from inference.errors import InvalidRequest
from inference.large_requests import INLINE_MS

FILES = frozenset({"image", "mask"})


def form(texts: dict[str, object], files: list[tuple[str, object]]) -> tuple[bytes, str]:
    """A form as httpx, and so OpenAI's SDK, writes it; its content type."""
    request = httpx.Request("POST", "http://localhost", data=texts, files=files)
    return request.read(), request.headers["content-type"]


def refused(body: bytes, content_type: str) -> InvalidRequest:
    """What is said of a form that is refused."""
    with pytest.raises(InvalidRequest) as raised:
        parse_form(body, content_type, FILES)
    assert raised.value.status == 400
    assert raised.value.__context__ is None
    return raised.value


def test_texts_and_files_come_apart():
    body, kind = form({"prompt": "Grüße", "n": "2", "tags": ["a", "b"]}, [("image", ("a.png", b"\0\xff\r\n--"))])
    found = parse_form(body, kind, FILES)
    assert found == Form({"prompt": "Grüße", "n": "2", "tags": "b"}, {"image": [b"\0\xff\r\n--"]})


@pytest.mark.parametrize("name", ["image", "image[]", "image[0]"])
def test_a_list_is_written_in_many_ways(name):
    body, kind = form({}, [(name, ("a", b"one")), ("image[]", ("b", b"two")), ("mask", ("c", b"three"))])
    assert parse_form(body, kind, FILES).files == {"image": [b"one", b"two"], "mask": [b"three"]}


def test_files_of_other_names_are_passed_over():
    body, kind = form({"n": "1"}, [("other", ("a", b"x" * 1000)), ("image", ("b", b"y"))])
    assert parse_form(body, kind, FILES) == Form({"n": "1"}, {"image": [b"y"]})


def test_a_file_may_be_empty():
    body, kind = form({}, [("image", ("a", b""))])
    assert parse_form(body, kind, FILES).files == {"image": [b""]}


def test_nothing_of_a_large_file_touches_a_disk(monkeypatch):
    def forbidden(*args: object, **kwargs: object) -> None:
        raise AssertionError("a temporary file")

    for name in ("NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, forbidden)
    content = bytes(range(256)) * 40_000
    body, kind = form({}, [("image", ("a", content))])
    assert parse_form(body, kind, FILES).files == {"image": [content]}


def test_limits_hold_while_a_form_is_read(settings):
    settings.IMAGE_MAX_BYTES = 100
    error = refused(*form({}, [("image[]", ("a", b"x" * 101))]))
    assert (error.code, error.param) == ("image_file_too_large", "image")
    settings.IMAGES_PER_REQUEST = 2
    error = refused(*form({}, [("image", (str(i), b"x")) for i in range(4)]))
    assert (error.code, error.param) == ("too_many_images", "image")
    assert refused(*form({"prompt": "x" * 3_000_000}, [("image", ("a", b"x"))])).code == "string_above_max_length"
    assert refused(*form({f"field {i}": "x" for i in range(1100)}, [("image", ("a", b"x"))])).param is None


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 300,
        "multipart/form-data; boundary=ä",
        "multipart/form-data; charset=nonsense",
    ],
)
def test_a_form_without_a_good_boundary_is_refused(content_type):
    assert refused(b"--canary\r\n\r\n--canary--", content_type).message.startswith("We could not parse the form")


def test_what_was_sent_is_not_repeated():
    body, kind = form({}, [("image", ("a", b"x"))])
    encoded = body.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n")
    spoilt = encoded.replace(b"x\r\n", b"canary!\r\n")
    assert "canary" not in refused(spoilt, kind).message


def test_many_small_parts_count_as_long_work():
    few, _ = form({"n": "1"}, [("image", ("a", bytes(1000)))])
    many, _ = form({str(number): "x" for number in range(500)}, [("image", ("a", b"x"))])
    assert form_ms(few) < INLINE_MS < form_ms(many)
    assert form_ms(bytes(1_000_000)) > INLINE_MS


@trying(deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_do_more_than_be_refused(garbage):
    body, kind = form({"prompt": "x"}, [("image", ("a", garbage))])
    assert parse_form(body, kind, FILES).files == {"image": [garbage]}
    for spoilt in (garbage, body[: len(garbage)], body[len(garbage) :], body.replace(b"name=", garbage)):
        try:
            parse_form(spoilt, kind, FILES)
        except InvalidRequest as error:
            assert error.status == 400  # noqa: PT017 - any other exception fails the test
