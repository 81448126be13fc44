"""The pictures and the mask that a drawing begins with, loaded and held against each other."""

from collections.abc import Sequence

from msgspec import Struct
from PIL import Image

from inference.conversation import Picture
from inference.errors import InvalidRequest
from inference.image_sizes import Size
from inference.images.checking import with_image
from inference.images.drawing import Upload
from inference.images.loading import loaded
from inference.images.threads import beside


class Sources(Struct, frozen=True):
    """Encoded files, checked; `size` is that of the first."""

    files: tuple[bytes, ...] = ()
    mask: bytes | None = None
    size: Size | None = None


async def load_sources(pictures: Sequence[Picture | Upload], mask: Picture | Upload | None) -> Sources:
    """The files of a drawing. Raises `InvalidRequest` with the `param` of the one that is wrong."""
    found = await loaded(pictures)
    if not found:
        return Sources()
    files = tuple(data for data, _ in found)
    size = Size(found[0][1].width, found[0][1].height)
    if mask is None:
        return Sources(files, None, size)
    ((data, _),) = await loaded((mask,))
    await beside(_check_mask, data, size, mask.param)
    return Sources(files, data, size)


def _check_mask(data: bytes, size: Size, param: str) -> None:
    """Raises for a mask that says nothing about a picture of this size."""

    def look(image: Image.Image) -> InvalidRequest | None:
        if image.format != "PNG" or not image.has_transparency_data:
            return _invalid(param, "the mask must be a PNG file with transparency")
        if image.size != (size.width, size.height):
            return _invalid(param, "the mask must be as large as the first image")
        return None

    problem = with_image(data, look, param=param)
    if problem is not None:
        raise problem


def _invalid(param: str, reason: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{param}': {reason}.", param=param, code="invalid_value")
