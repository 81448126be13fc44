"""What this API serves, read from its URL configuration, and what to say of a URL that it does not."""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from django.urls import URLResolver, get_resolver

from inference.errors import UnknownRoute

ROUTES = "inference.urls"
PARAMETER = re.compile(r"<(?:[^<>:]+:)?([^<>:]+)>")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# What of a client's path is repeated in an error.
LONGEST = 200

# The first parts of OpenAI's routes (its OpenAPI document). Those that the URL configuration has are served.
OPENAI_ROUTES = (
    "/v1/assistants",
    "/v1/audio",
    "/v1/batches",
    "/v1/chatkit",
    "/v1/completions",
    "/v1/containers",
    "/v1/conversations",
    "/v1/embeddings",
    "/v1/evals",
    "/v1/files",
    "/v1/fine_tuning",
    "/v1/images/edits",
    "/v1/images/generations",
    "/v1/images/variations",
    "/v1/moderations",
    "/v1/organization",
    "/v1/projects",
    "/v1/realtime",
    "/v1/responses",
    "/v1/skills",
    "/v1/threads",
    "/v1/uploads",
    "/v1/vector_stores",
    "/v1/videos",
)


class Endpoint(NamedTuple):
    """A method and a path; parameters of the path stand in braces: `/v1/models/{model_id}`."""

    method: str
    path: str


@cache
def endpoints() -> tuple[Endpoint, ...]:
    """All of them, in the order of the URL configuration."""
    return tuple(_below(get_resolver(ROUTES), "/"))


def _below(resolver: URLResolver, prefix: str) -> Iterator[Endpoint]:
    for entry in resolver.url_patterns:
        path = prefix + PARAMETER.sub(r"{\1}", str(entry.pattern))
        if isinstance(entry, URLResolver):
            yield from _below(entry, path)
        else:
            view = entry.callback.cls  # type: ignore[attr-defined]  # DRF's
            if getattr(view, "listed", True):
                yield from (Endpoint(method, path) for method in METHODS if hasattr(view, method.lower()))


def unknown_route(method: str, path: str) -> UnknownRoute:
    """The error for a URL that is none: OpenAI's words, and which there are."""
    message = f"Invalid URL ({method} {path[:LONGEST]})."
    theirs = next((route for route in _not_served() if path == route or path.startswith(f"{route}/")), None)
    if theirs is not None:
        message += f" OpenAI's {theirs} is not served here."
    return UnknownRoute(f"{message} {_all_endpoints()}")


@cache
def _not_served() -> tuple[str, ...]:
    served = [endpoint.path for endpoint in endpoints()]
    return tuple(
        route for route in OPENAI_ROUTES if not any(path == route or path.startswith(f"{route}/") for path in served)
    )


@cache
def _all_endpoints() -> str:
    return f"Endpoints: {', '.join(f'{method} {path}' for method, path in endpoints())}."
