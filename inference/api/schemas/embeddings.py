"""Embedding requests (OpenAI API reference, "Create embeddings")."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from inference.api.schemas import problems
from inference.api.schemas.decoding import decode

# OpenAI's limit.
MOST_INPUTS = 2048
TokenId = Annotated[int, Meta(ge=0)]


class EmbeddingsRequest(Struct, gc=False, kw_only=True):
    """Embeddings as the client asks for them: of a text, of texts, of one text's token ids, or of several texts'."""

    model: str
    input: str | Annotated[list[str | TokenId | list[TokenId]], Meta(min_length=1)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    # Accepted without effect.
    user: str | None = None


class Inputs(Struct, frozen=True):
    """What is to be embedded, in order: texts, or token ids. `single`: the client named one, not a list."""

    texts: tuple[str, ...] = ()
    token_ids: tuple[list[int], ...] = ()
    single: bool = False

    def param(self, index: int) -> str:
        """Where in the request an input stands."""
        return "input" if self.single else f"input[{index}]"


def decode_embeddings(body: bytes) -> tuple[EmbeddingsRequest, Inputs]:
    """The request in a body, and what it is about. Raises InvalidRequest."""
    request = decode(body, EmbeddingsRequest)
    return request, _inputs(request.input)


def _inputs(given: str | list[str | int | list[int]]) -> Inputs:
    if isinstance(given, str):
        found = Inputs(texts=(given,), single=True)
    elif isinstance(given[0], int):
        found = Inputs(token_ids=(_all_of(given, int, "an integer"),), single=True)
    elif isinstance(given[0], str):
        found = Inputs(texts=tuple(_all_of(given, str, "a string")))
    else:
        found = Inputs(token_ids=tuple(_all_of(given, list, "an array")))
    values = found.texts or found.token_ids
    if len(values) > MOST_INPUTS:
        raise problems.wrong_length("input", "array", "<=", MOST_INPUTS)
    for index, value in enumerate(values):
        if not value:
            raise problems.wrong_length(found.param(index), "string" if isinstance(value, str) else "array", ">=", 1)
    return found


def _all_of(given: list[str | int | list[int]], kind: type, phrase: str) -> list[Any]:
    """The list whose first is of a `kind`, if all are. Raises InvalidRequest."""
    for index, value in enumerate(given):
        if type(value) is not kind:
            got = {str: "a string", int: "an integer"}.get(type(value), "an array")
            raise problems.wrong_type(f"input[{index}]", phrase, got)
    return given
