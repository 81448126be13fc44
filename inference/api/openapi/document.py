"""The document, made once a process."""

from functools import cache
from threading import Lock
from typing import Any

import msgspec
from django.conf import settings

from inference.api.openapi.generator import DocumentGenerator

# drf-spectacular keeps what it collects in globals.
_making = Lock()


def document() -> dict[str, Any]:
    """OpenAPI 3.1's root object."""
    with _making:
        return _document()


def encoded_document() -> bytes:
    """The same as JSON."""
    with _making:
        return _encoded()


@cache
def _document() -> dict[str, Any]:
    made = DocumentGenerator().get_schema()
    # Relative to where the document was found, unless the installation knows its address.
    made["servers"] = [{"url": settings.PUBLIC_URL or "/"}]
    return made


@cache
def _encoded() -> bytes:
    return msgspec.json.encode(_document())
