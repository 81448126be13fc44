"""The API's published document as a page to read: it needs no script, and loads nothing from elsewhere."""

import json
from functools import cache
from itertools import groupby
from typing import Any, get_args

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from inference.api.openapi.document import document
from inference.api.openapi.operation import Tag
from inference.dashboard.schema_text import Type, pieces_of, type_of

# The order of the page.
TAGS = get_args(Tag)


@require_safe
def reference(request: HttpRequest) -> HttpResponse:
    """The page; like the document, it is for everybody."""
    return render(request, "inference/reference.html", {"body": reference_body()})


@cache
def reference_body() -> SafeString:
    """What is the same for everybody, made once a process."""
    described = document()
    operations = [
        operation_of(path, method, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    operations.sort(key=lambda operation: TAGS.index(operation["tag"]))
    components = described["components"]
    context = {
        "groups": [(tag, list(members)) for tag, members in groupby(operations, lambda operation: operation["tag"])],
        "errors": [
            (name.removeprefix("Error"), marked(response["description"]))
            for name, response in components["responses"].items()
        ],
        "types": [_with_marks(type_of(name, schema)) for name, schema in components["schemas"].items()],
    }
    return render_to_string("inference/reference_body.html", context)


def operation_of(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    """One method of a path, as the template wants it."""
    body = operation.get("requestBody", {})
    success = operation["responses"].get("200", {}).get("content", {})
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "tag": operation["tags"][0],
        "summary": operation["summary"],
        "description": marked(operation.get("description", "")),
        "keyed": bool(operation["security"]),
        "parameters": [
            {
                **parameter,
                "description": marked(parameter["description"]),
                "pieces": pieces_of(parameter["schema"]),
            }
            for parameter in operation.get("parameters", [])
        ],
        "bodies": [
            (media_type, pieces_of(content["schema"])) for media_type, content in body.get("content", {}).items()
        ],
        "examples": [
            (example["summary"], json.dumps(example["value"], indent=2, ensure_ascii=False))
            for content in body.get("content", {}).values()
            for example in content.get("examples", {}).values()
        ],
        "answers": [(media_type, *_answer(content["schema"])) for media_type, content in success.items()],
        "errors": [status for status in operation["responses"] if status >= "400"],
    }


def marked(text: str) -> SafeString:
    """The text with `…` as code."""
    pieces = ((("<code>{}</code>" if place % 2 else "{}"), piece) for place, piece in enumerate(text.split("`")))
    # Each of them escapes what it is given.
    return SafeString("".join(format_html(form, piece) for form, piece in pieces))


def _with_marks(found: Type) -> Type:
    fields = [field._replace(description=marked(field.description)) for field in found.fields]
    return found._replace(description=marked(found.description), fields=fields)


def _answer(schema: dict[str, Any]) -> tuple[str, Any]:
    """What an answer is: some words, and the pieces of its type. Of a stream, each event holds the latter."""
    data = schema.get("properties", {}).get("data")
    if data is not None and "anyOf" in data:
        return "a stream of events, each of ", pieces_of(data["anyOf"][0]["contentSchema"])
    return schema.get("description", "") if schema.get("type") == "string" else "", pieces_of(schema)
