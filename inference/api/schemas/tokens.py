"""The body of `POST /v1/auth/token`."""

from typing import Annotated, Literal

from django.conf import settings
from msgspec import Meta, Struct

from inference.api.schemas import problems
from inference.api.schemas.decoding import decode

# Those of `accounts.scopes`; a test compares them.
Scope = Literal["chat", "completions", "responses", "embeddings", "rerank", "images", "models", "usage:read"]
ModelName = Annotated[str, Meta(min_length=1, max_length=200)]
# An identifier, not a text: it stands in the token for everybody who holds it.
Label = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:@/+=-]+\Z", max_length=128)]
# A token travels in a header with every request.
MOST_MODELS = 20


class TokenRequest(Struct, gc=False, kw_only=True):
    """What a token may do; whatever is left out is as the key has it."""

    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=100)] | None = None
    models: Annotated[list[ModelName], Meta(min_length=1, max_length=MOST_MODELS)] | None = None
    expires_in: Annotated[int, Meta(ge=1)] | None = None
    label: Label | None = None


def decode_token_request(body: bytes) -> TokenRequest:
    """The request in a body; an empty one asks for nothing special. Raises `InvalidRequest`."""
    request = decode(body, TokenRequest) if body else TokenRequest()
    most = settings.TOKEN_MAX_SECONDS
    if request.expires_in is not None and request.expires_in > most:
        raise problems.out_of_bounds("expires_in", "integer", "<=", str(most))
    return request
