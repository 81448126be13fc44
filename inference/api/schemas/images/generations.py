"""The body of `POST /v1/images/generations`."""

from inference.api.schemas.decoding import decode
from inference.api.schemas.images.checks import check
from inference.api.schemas.images.fields import ImageRequest


class GenerationRequest(ImageRequest, gc=False, kw_only=True):
    """Images of a prompt."""


def decode_generation(body: bytes) -> GenerationRequest:
    """The request in a JSON body. Raises `InvalidRequest`, whose `param` is the path of the first field found wrong."""
    request = decode(body, GenerationRequest)
    check(request)
    return request
