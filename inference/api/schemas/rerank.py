"""Rerank requests in Jina's form and Cohere's first and second, which differ in little."""

from typing import Annotated, Any

from django.conf import settings
from msgspec import Meta, Struct

from inference.api.schemas import problems
from inference.api.schemas.decoding import decode
from inference.errors import InvalidRequest

# RAGFlow and Xinference send booleans as strings.
BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class RerankRequest(Struct, gc=False, kw_only=True):
    """A rerank request as the client writes it. What else the forms know is accepted without effect.

    `rank_fields` (Cohere's first form) names what of documents that are objects is read, by default their text.
    """

    model: str
    query: str | dict[str, Any]
    documents: Annotated[list[str | dict[str, Any]], Meta(min_length=1)]
    top_n: Annotated[int, Meta(ge=0)] | None = None
    return_documents: bool | str | int | None = None
    rank_fields: Any = None


class Ranking(Struct, frozen=True):
    """What is to be ranked: the texts of `documents`, in order, by what they have to do with `query`.

    `top_n` of them are answered. `returned` has what of each document goes back, None where nothing does.
    """

    query: str
    documents: tuple[str, ...]
    top_n: int
    returned: tuple[dict[str, Any], ...] | None


def decode_rerank(body: bytes, *, returns_documents: bool) -> tuple[RerankRequest, Ranking]:
    """The request in a body, and what it asks for; `returns_documents`: unless it says. Raises InvalidRequest."""
    request = decode(body, RerankRequest)
    if len(request.documents) > settings.RERANK_DOCUMENTS:
        raise problems.wrong_length("documents", "array", "<=", settings.RERANK_DOCUMENTS)
    query = _text(request.query, (), "query")
    if not query:
        raise problems.wrong_length("query", "string", ">=", 1)
    fields = _rank_fields(request.rank_fields)
    documents = tuple(
        _text(document, fields, f"documents[{index}]") for index, document in enumerate(request.documents)
    )
    returned = None
    if _wanted(request.return_documents, default=returns_documents):
        returned = tuple(
            # Clients read the text, also of an object that has it under other names.
            {"text": text, **document} if isinstance(document, dict) else {"text": text}
            for text, document in zip(documents, request.documents, strict=True)
        )
    return request, Ranking(query, documents, request.top_n or len(documents), returned)


def _text(given: str | dict[str, Any], fields: tuple[str, ...], param: str) -> str:
    """The text that is read of a query or a document. Raises InvalidRequest."""
    if isinstance(given, str):
        return given
    if named := [given[field] for field in fields if isinstance(given.get(field), str)]:
        return "\n".join(named)
    text = given.get("text")
    if isinstance(text, str):
        return text
    if text is not None:
        raise problems.wrong_type(f"{param}.text", "a string", "another type")
    if given.get("image") is not None:
        raise problems.unsupported(f"{param}.image")
    raise problems.missing(f"{param}.text")


def _rank_fields(given: Any) -> tuple[str, ...]:
    return tuple(field for field in given if isinstance(field, str)) if isinstance(given, list) else ()


def _wanted(given: bool | str | int | None, *, default: bool) -> bool:
    if given is None or given == "":
        return default
    if isinstance(given, bool):
        return given
    found = BOOLEANS.get(str(given).lower())
    if found is None:
        raise _no_boolean()
    return found


def _no_boolean() -> InvalidRequest:
    return problems.wrong_type("return_documents", "a boolean", "another type")
