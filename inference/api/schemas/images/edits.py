"""The body of `POST /v1/images/edits`: a form with files, as the SDKs send it, or JSON with URLs."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from inference.api.multipart import Form
from inference.api.schemas import problems
from inference.api.schemas.decoding import convert, decode
from inference.api.schemas.images.checks import check
from inference.api.schemas.images.fields import ImageRequest, Url
from inference.conversation import Picture
from inference.images.drawing import Upload

MOST_IMAGES = 16


class ImageReference(Struct, gc=False):
    """An image by its URL; files are not kept, so that none can be named by id."""

    image_url: Url | None = None
    file_id: str | None = None


class EditRequest(ImageRequest, gc=False, kw_only=True):
    """Images made of others."""

    input_fidelity: Literal["high", "low"] | None = None
    # Refused: marks in a picture.
    markup: Any = None


class JsonEditRequest(EditRequest, gc=False, kw_only=True):
    """The same as JSON: OpenAI's `images`, or `image` as in a form; a text is a URL."""

    images: Annotated[list[ImageReference | Url], Meta(min_length=1, max_length=MOST_IMAGES)] | None = None
    image: Url | ImageReference | Annotated[list[Any], Meta(min_length=1, max_length=MOST_IMAGES)] | None = None
    mask: ImageReference | Url | None = None


class Edit(Struct):
    """A request with the pictures that it brings."""

    request: EditRequest
    pictures: tuple[Picture | Upload, ...]
    mask: Picture | Upload | None


def decode_edit(body: bytes) -> Edit:
    """The request in a JSON body. Raises `InvalidRequest`."""
    request = decode(body, JsonEditRequest)
    _check(request)
    pictures = tuple(_pictures(request))
    if not pictures:
        raise problems.missing("image")
    return Edit(request, pictures, None if request.mask is None else _picture(request.mask, "mask"))


def decode_edit_form(form: Form) -> Edit:
    """The request in a form, whose texts are read as numbers where such are asked for. Raises `InvalidRequest`."""
    # A field that was left empty is none; the pictures are looked at below.
    texts = {
        name: text
        for name, text in form.texts.items()
        if (text or name in ("model", "prompt")) and name not in ("image", "mask")
    }
    request = convert(texts, EditRequest, "", strict=False)
    if "markup" in form.files:
        raise problems.unsupported("markup")
    _check(request)
    pictures = _in_form(form, "image")
    if not pictures:
        raise problems.missing("image")
    if len(pictures) > MOST_IMAGES:
        raise problems.wrong_length("image", "array", "<=", MOST_IMAGES)
    masks = _in_form(form, "mask")
    if len(masks) > 1:
        raise problems.wrong_length("mask", "array", "<=", 1)
    return Edit(request, pictures, masks[0] if masks else None)


def _check(request: EditRequest) -> None:
    check(request)
    if request.markup is not None:
        raise problems.unsupported("markup")


def _in_form(form: Form, name: str) -> tuple[Picture | Upload, ...]:
    """The files of this name; a text of it is a URL."""
    found: list[Picture | Upload] = []
    for data in form.files.get(name, ()):
        found.append(Upload(data, name if not found else f"{name}[{len(found)}]"))
    if not found and form.texts.get(name):
        found.append(Picture(form.texts[name], name))
    return tuple(found)


def _pictures(request: JsonEditRequest) -> Iterator[Picture]:
    for index, reference in enumerate(request.images or ()):
        yield _picture(reference, f"images[{index}]")
    if isinstance(request.image, list):
        for index, value in enumerate(request.image):
            reference = convert(value, ImageReference | Url, f"image[{index}]")  # type: ignore[arg-type]
            yield _picture(reference, f"image[{index}]")
    elif request.image is not None:
        yield _picture(request.image, "image")


def _picture(reference: ImageReference | str, path: str) -> Picture:
    if isinstance(reference, str):
        return Picture(reference, path)
    if reference.file_id is not None:
        raise problems.unsupported(f"{path}.file_id")
    if reference.image_url is None:
        raise problems.missing(f"{path}.image_url")
    return Picture(reference.image_url, f"{path}.image_url")
