"""The OpenAPI document: routes from the URL configuration by drf-spectacular, everything else from `operations`."""

import re
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema

from inference.api.answers.errors import ErrorAnswer
from inference.api.openapi.errors import ERRORS, error_response, response_name, statuses
from inference.api.openapi.operation import Operation
from inference.api.openapi.schemas import Schemas
from inference.routes import ROUTES

TEXT = {"type": "string"}
HEADERS: dict[str, str] = {
    "X-Request-Id": "The request's id, a UUIDv7: the key of its usage record.",
    "Retry-After": "Seconds after which to try again.",
    "WWW-Authenticate": "`Bearer`.",
    "Allow": "The methods that this URL takes.",
    "Deprecation": "Since when the model is deprecated (RFC 9745); only then.",
    "Sunset": "When a deprecated model goes (RFC 8594).",
    "X-Hanse-Model-Fallback": "The model that answered where the one that was asked for does not exist.",
}
OF_MODEL = ("Deprecation", "Sunset", "X-Hanse-Model-Fallback")
SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "an API key, or a JWT of `POST /v1/auth/token`",
        "description": "An API key of the dashboard, or an access token that one has minted.",
    }
}


class DescribedSchema(AutoSchema):
    """Says of a view's method what the view's `operations` say."""

    def __init__(self, schemas: Schemas, name: str) -> None:
        super().__init__()
        self.schemas = schemas
        self.name = name

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any
    ) -> dict[str, Any] | None:
        """OpenAPI's operation object."""
        view: Any = self.view
        operation: Operation = view.operations[method]
        keyed = bool(view.authentication_classes)
        scope = getattr(view, "scope", None) if view.permission_classes else None
        told = [operation.description, f"Needs the scope `{scope}`." if scope else ""]
        found: dict[str, Any] = {
            "operationId": self.name,
            "summary": operation.summary,
            "description": " ".join(filter(None, told)),
            "tags": [operation.tag],
            "parameters": self.parameters(operation, re.findall(r"{(\w+)}", path)),
            "requestBody": self.body(operation),
            "security": [{"bearer": []}] if keyed else [],
            "responses": {"200": self.success(operation)} if operation.succeeds else {},
        }
        if operation.not_modified:
            found["responses"]["304"] = {"description": "The client has it already, by the tag in `if-none-match`."}
        for status in statuses(operation, keyed=keyed):
            found["responses"][str(status)] = {"$ref": f"#/components/responses/{response_name(status)}"}
        return {name: value for name, value in found.items() if value or name == "security"}

    def parameters(self, operation: Operation, variables: list[str]) -> list[dict[str, Any]]:
        """Those of the path and those of the query."""
        in_path = [
            {"name": name, "in": "path", "required": True, "description": operation.path[name], "schema": TEXT}
            for name in variables
        ]
        in_query = [
            {
                "name": query.name,
                "in": "query",
                "description": query.description,
                "schema": self.schemas.of(query.type),
            }
            for query in operation.query
        ]
        return in_path + in_query

    def body(self, operation: Operation) -> dict[str, Any] | None:
        """What is sent, if anything is."""
        content: dict[str, Any] = {}
        if operation.request is not None:
            content["application/json"] = {"schema": self.schemas.of(operation.request)}
            if operation.examples:
                content["application/json"]["examples"] = {
                    name: {"summary": example.summary, "value": example.body}
                    for name, example in operation.examples.items()
                }
        if operation.form is not None:
            content["multipart/form-data"] = {"schema": self.schemas.of(operation.form)}
        return {"required": operation.body_required, "content": content} if content else None

    def success(self, operation: Operation) -> dict[str, Any]:
        """The answer with status 200."""
        content: dict[str, Any] = {}
        if operation.answer is not None:
            content[operation.answer_media_type] = {"schema": self.schemas.of(operation.answer)}
            if operation.example_answer is not None:
                content[operation.answer_media_type]["example"] = operation.example_answer
        if operation.events is not None:
            content["text/event-stream"] = {"schema": event_schema(self.schemas.of(operation.events))}
            if operation.example_events:
                content["text/event-stream"]["example"] = operation.example_events
        for media_type, description in operation.texts.items():
            content[media_type] = {"schema": {**TEXT, "description": description}}
        names = ("X-Request-Id", *(OF_MODEL if operation.of_model else ()))
        return {
            "description": "What was asked for.",
            "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
            "content": content,
        }


def event_schema(data: dict[str, Any]) -> dict[str, Any]:
    """The schema of a server-sent event that holds `data` as JSON: before OpenAPI 3.2, that of a stream is its events'.

    The last event of most streams is no JSON.
    """
    json = {**TEXT, "contentMediaType": "application/json", "contentSchema": data}
    return {
        "type": "object",
        "description": "A server-sent event.",
        "properties": {"event": TEXT, "data": {"anyOf": [json, {"const": "[DONE]"}]}},
        "required": ["data"],
    }


class DocumentGenerator(SchemaGenerator):
    """Gives every view of the URL configuration a `DescribedSchema`, and the document what they refer to."""

    def __init__(self) -> None:
        super().__init__(urlconf=ROUTES)
        self.schemas = Schemas([], {})

    def _get_paths_and_endpoints(self) -> list[tuple[str, str, str, Any]]:
        routes: list[tuple[str, str, str, Any]] = super()._get_paths_and_endpoints()
        # A test finds those that nobody described; here they shall not take the document with them.
        found = [route for route in routes if route[2] in route[3].operations]
        self.schemas = schemas_of([view.operations[method] for _, _, method, view in found])
        names: set[str] = set()
        for path, _, method, view in found:
            name = view.operations[method].id
            # Several paths may have one view.
            name = name if name not in names else f"{name}At{''.join(re.findall('[A-Za-z0-9]+', path.title()))}"
            names.add(name)
            self._set_schema_to_view(view, DescribedSchema(self.schemas, name))
        return found

    def get_schema(self, request: Any = None, public: bool = True) -> dict[str, Any]:
        """The document."""
        document: dict[str, Any] = super().get_schema(request, public)
        document["components"] = {
            "schemas": dict(sorted(self.schemas.components.items())),
            "responses": {response_name(status): error_response(status) for status in ERRORS},
            "headers": {name: {"description": told, "schema": TEXT} for name, told in HEADERS.items()},
            "securitySchemes": SECURITY,
        }
        return document


def schemas_of(operations: list[Operation]) -> Schemas:
    """The schemas of everything that these operations take and answer."""
    types: list[Any] = [ErrorAnswer]
    refused: dict[Any, frozenset[str]] = {}
    for operation in operations:
        types += [operation.request, operation.form, operation.answer, operation.events]
        types += [query.type for query in operation.query]
        for body in filter(None, (operation.request, operation.form)):
            refused[body] = operation.refused
    return Schemas([entry for entry in types if entry is not None], refused)
