"""From the URLs of a request's pictures to checked files: `data:` is decoded, `https:` fetched if that is allowed."""

import base64
import binascii
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from django.conf import settings

from inference.conversation import Picture
from inference.errors import InvalidRequest
from inference.images.checking import ImageInfo, check_image, file_too_large, too_many
from inference.images.drawing import Upload
from inference.images.remote import Remote, fetch
from inference.images.threads import beside

# Of a URL, what is looked at for its scheme and media type.
HEAD_CHARACTERS = 200
# A few bytes may hold a picture whose decoding takes a second: of the largest, a request may have so many.
MOST_LARGE_IMAGES = 8


async def load_pictures(pictures: Sequence[Picture], *, remote: Remote | None = None) -> tuple[bytes, ...]:
    """The encoded files (PNG, JPEG, WebP, still GIF), each checked, in the same order; raises as `loaded`."""
    return tuple(data for data, _ in await loaded(pictures, remote=remote))


async def loaded(sources: Sequence[Picture | Upload], *, remote: Remote | None = None) -> list[tuple[bytes, ImageInfo]]:
    """The checked files with what each is. `remote` says what may be fetched; None: what is public.

    Raises `InvalidRequest` with the `param` of the picture that is wrong, or of the first that is too many.
    """
    if len(sources) > settings.IMAGES_PER_REQUEST:
        raise too_many(sources[settings.IMAGES_PER_REQUEST].param)
    found: list[tuple[bytes, ImageInfo]] = []
    pixels = 0
    # One after the other: the memory that many large pictures take at once is what a limit is for.
    for source in sources:
        data, info = await _load(source, remote)
        pixels += info.width * info.height
        if pixels > MOST_LARGE_IMAGES * settings.IMAGE_MAX_PIXELS:
            raise InvalidRequest(
                f"Invalid '{source.param}': the images of a request may have at most "
                f"{MOST_LARGE_IMAGES * settings.IMAGE_MAX_PIXELS} pixels together.",
                param=source.param,
                code="image_too_large",
            )
        found.append((data, info))
    return found


async def _load(source: Picture | Upload, remote: Remote | None) -> tuple[bytes, ImageInfo]:
    if isinstance(source, Upload):
        return source.data, await beside(check_image, source.data, param=source.param)
    scheme = source.url[:HEAD_CHARACTERS].lstrip().partition(":")[0].lower()
    if scheme == "data":
        return await beside(_from_data_url, source.url, source.param)
    if scheme not in ("https", "http"):
        raise _wrong_url(source.param, "expected a data: URL with a base64-encoded image")
    if not settings.REMOTE_IMAGES:
        raise _wrong_url(source.param, "this server fetches no images; send a data: URL with a base64-encoded image")
    data = await fetch(source.url, param=source.param, remote=remote)
    return data, await beside(check_image, data, param=source.param)


def _from_data_url(url: str, param: str) -> tuple[bytes, ImageInfo]:
    """The checked file in a `data:` URL (RFC 2397), which must be base64; its media type is not believed."""
    head, comma, encoded = url.lstrip().partition(",")
    if not comma or not head[:HEAD_CHARACTERS].lower().rstrip().endswith(";base64"):
        raise _wrong_url(param, "expected a data: URL with a base64-encoded image")
    # Four characters are three bytes; line breaks, which some encoders write, are few.
    if len(encoded) > (settings.IMAGE_MAX_BYTES + 3) * 1.5:
        raise file_too_large(param)
    data = _from_base64(encoded)
    if data is None:
        raise InvalidRequest(
            f"Invalid '{param}': the image is not valid base64.", param=param, code="invalid_base64_image"
        )
    return data, check_image(data, param=param)


def _from_base64(encoded: str) -> bytes | None:
    """The bytes; None for what is none. Percent-escapes, line breaks and a missing end are forgiven."""
    try:
        raw = unquote_to_bytes(encoded) if "%" in encoded else encoded.encode("ascii")
        raw = b"".join(raw.split()).rstrip(b"=")
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None


def _wrong_url(param: str, reason: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{param}': {reason}.", param=param, code="invalid_image_url")
