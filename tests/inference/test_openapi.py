"""The published description: valid, of every route, and true."""

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from django.urls import get_resolver
from openapi_spec_validator import OpenAPIV31SpecValidator

from accounts.errors import ApiError
from accounts.scopes import SCOPES
from inference.api.openapi.document import document
from inference.api.openapi.errors import ERRORS
from inference.api.openapi.operation import Operation
from inference.api.schemas.chat import ChatRequest, decode_chat
from inference.api.schemas.completions import CompletionRequest, decode_completion
from inference.api.schemas.embeddings import EmbeddingsRequest, decode_embeddings
from inference.api.schemas.images import decode_edit, decode_generation
from inference.api.schemas.images.edits import JsonEditRequest
from inference.api.schemas.images.generations import GenerationRequest
from inference.api.schemas.rerank import RerankRequest, decode_rerank
from inference.api.schemas.responses import InputRequest, ResponsesRequest, decode_input, decode_response
from inference.api.schemas.tokens import TokenRequest, decode_token_request
from inference.routes import METHODS, PARAMETER, ROUTES
from tests.engines import ROOT
from tests.inference.getting import fetch

DOCUMENT = document()
# What decodes each body; a new endpoint's belongs here.
DECODERS: dict[Any, Callable[[bytes], object]] = {
    ChatRequest: decode_chat,
    CompletionRequest: decode_completion,
    EmbeddingsRequest: decode_embeddings,
    GenerationRequest: decode_generation,
    InputRequest: decode_input,
    JsonEditRequest: decode_edit,
    RerankRequest: partial(decode_rerank, returns_documents=True),
    ResponsesRequest: decode_response,
    TokenRequest: decode_token_request,
}


def views() -> dict[tuple[str, str], Any]:
    """The view of every method and path of the URL configuration."""
    found = {}
    for entry in get_resolver(ROUTES).url_patterns:
        path = "/" + PARAMETER.sub(r"{\1}", str(entry.pattern))
        for method in METHODS:
            if hasattr(entry.callback.cls, method.lower()):
                found[method, path] = entry.callback.cls
    return found


VIEWS = views()
OPERATIONS: list[Operation] = [view.operations[method] for (method, _), view in VIEWS.items() if view.operations]
EXAMPLES = [
    pytest.param(operation, example, id=f"{operation.id}-{name}")
    for operation in OPERATIONS
    for name, example in operation.examples.items()
]


def described() -> dict[tuple[str, str], dict[str, Any]]:
    """The operations of the document by method and path."""
    return {
        (method.upper(), path): operation
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }


def schema_of(reference: dict[str, Any]) -> dict[str, Any]:
    """A schema of the document that stands by itself."""
    return {**reference, "components": DOCUMENT["components"]}


def test_it_is_a_valid_openapi_document() -> None:
    OpenAPIV31SpecValidator(json.loads(json.dumps(DOCUMENT))).validate()
    assert DOCUMENT["openapi"].startswith("3.1")


def test_every_schema_is_a_valid_json_schema() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for name in schemas:
        jsonschema_rs.Draft202012Validator(schema_of({"$ref": f"#/components/schemas/{name}"}))
    assert len(schemas) > 40
    assert r"\Z" not in json.dumps(DOCUMENT)


def test_every_method_of_every_route_is_described_and_nothing_else() -> None:
    assert described().keys() == VIEWS.keys()


def test_every_operation_has_a_name_of_its_own_and_says_what_it_is_for() -> None:
    names = [operation["operationId"] for operation in described().values()]
    assert len(set(names)) == len(names)
    for where, operation in described().items():
        assert operation["summary"], where
        assert len(operation["tags"]) == 1, where


def test_every_operation_tells_its_errors_by_reference() -> None:
    for (method, path), operation in described().items():
        told = {int(status) for status in operation["responses"]}
        assert {400, 405, 408, 413, 500, 503} <= told, path
        assert told - {200, 304} <= ERRORS.keys(), path
        keyed = bool(VIEWS[method, path].authentication_classes)
        assert ({401, 403, 429} <= told) == keyed, path
        assert operation["security"] == ([{"bearer": []}] if keyed else []), path
        if "requestBody" in operation:
            assert 415 in told, path


def test_the_scope_is_told_where_one_is_needed() -> None:
    for where, operation in described().items():
        view = VIEWS[where]
        if view.permission_classes:
            assert view.scope in SCOPES
            assert f"`{view.scope}`" in operation["description"], where


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(DOCUMENT)
    references = set(re.findall(r'"\$ref": "([^"]+)"', text))
    assert len(references) > 50
    for reference in references:
        found = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
    used = {reference.rpartition("/")[2] for reference in references if "/schemas/" in reference}
    assert DOCUMENT["components"]["schemas"].keys() == used


def test_every_code_of_an_error_class_is_told_with_its_status() -> None:
    def classes(kind: type[ApiError]) -> set[type[ApiError]]:
        return {kind}.union(*(classes(inner) for inner in kind.__subclasses__()))

    for kind in classes(ApiError):
        if kind.code and kind.__module__.split(".")[0] in ("accounts", "billing", "inference"):
            assert kind.code in ERRORS[kind.status][1], kind


def test_every_code_that_the_api_gives_is_told() -> None:
    sources = [*(ROOT / "inference").rglob("*.py"), *(ROOT / "accounts").glob("*.py"), *(ROOT / "billing").glob("*.py")]
    given = {code for path in sources for code in re.findall(r'\bcode="([a-z_]+)"', path.read_text())}
    assert len(given) > 20
    assert given - {code for _, codes in ERRORS.values() for code in codes} == set()


@pytest.mark.parametrize(("operation", "example"), EXAMPLES)
def test_an_example_is_taken_as_it_stands_and_fits_its_schema(operation: Operation, example: Any) -> None:
    assert DECODERS[operation.request](json.dumps(example.body).encode()) is not None
    name = operation.request.__name__
    jsonschema_rs.Draft202012Validator(schema_of({"$ref": f"#/components/schemas/{name}"})).validate(example.body)


def test_every_body_has_an_example() -> None:
    assert [operation.id for operation in OPERATIONS if operation.request and not operation.examples] == []


@pytest.mark.parametrize(
    "operation", [operation for operation in OPERATIONS if operation.example_answer], ids=lambda operation: operation.id
)
def test_an_example_answer_is_of_its_type(operation: Operation) -> None:
    msgspec.convert(operation.example_answer, operation.answer)


def test_fields_that_are_refused_are_not_offered() -> None:
    properties = DOCUMENT["components"]["schemas"]["ChatRequest"]["properties"]
    assert {"messages", "tools", "temperature"} <= properties.keys()
    assert {"guided_json", "functions", "web_search_options"}.isdisjoint(properties)
    assert properties["temperature"]["description"]


def test_it_is_served_to_everybody_and_once() -> None:
    answer = fetch("/v1/openapi.json")
    assert answer.status == 200
    assert answer.json["paths"].keys() == DOCUMENT["paths"].keys()
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    again = fetch("/v1/openapi.json", if_none_match=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert answer.json["servers"] == [{"url": "/"}]
