"""Forms with files (multipart/form-data), taken apart in memory: Django's parser, which writes large files to disk
unless it is told where else they go."""

import io
import re
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http.multipartparser import MultiPartParser as Parser
from django.http.multipartparser import MultiPartParserError
from msgspec import Struct
from rest_framework.parsers import BaseParser

from inference.errors import InvalidRequest
from inference.images.checking import file_too_large, too_many

MEDIA_TYPE = "multipart/form-data"
# `image[]` and `image[0]` are `image`.
INDEX = re.compile(r"\[\d{0,4}\]\Z")
MALFORMED = (
    "We could not parse the form in the body of your request. (HINT: The API expects multipart/form-data; let your "
    "HTTP library write the Content-Type header, which names the boundary between the parts.)"
)
# Measured: bytes, which are searched for the boundary and decoded if they are base64; and what each part costs beside.
MS_PER_BYTE = 2e-5
MS_PER_PART = 0.15
# So many bytes take long in any case.
COUNTED_BYTES = 200_000


class Form(Struct):
    """The parts of a form by name: texts, of which the last counts, and the bytes of files, in their order."""

    texts: dict[str, str]
    files: dict[str, list[bytes]]


class MultipartParser(BaseParser):
    """Hands the body on as bytes, as `JsonParser` does."""

    media_type = MEDIA_TYPE

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> bytes:  # type: ignore[override]
        """The body."""
        return stream.read()


class FilesInMemory(FileUploadHandler):
    """Collects the bytes of the files that have one of these names; others are passed over."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self.files: dict[str, list[bytes]] = {}
        self._names = names
        self._count = 0

    def new_file(self, field_name: str, *args: Any, **kwargs: Any) -> None:
        """A file begins."""
        super().new_file(field_name, *args, **kwargs)
        self._name = INDEX.sub("", field_name)
        self._parts: list[bytes] = []
        self._size = 0
        if self._name not in self._names:
            raise SkipFile
        self._count += 1
        if self._count > settings.IMAGES_PER_REQUEST + 1:
            raise too_many(self._name)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """More of it. Raises `InvalidRequest` for more than an image may have."""
        self._size += len(raw_data)
        if self._size > settings.IMAGE_MAX_BYTES:
            raise file_too_large(self._name)
        self._parts.append(bytes(raw_data))

    def file_complete(self, file_size: int) -> UploadedFile | None:
        """It ends."""
        self.files.setdefault(self._name, []).append(b"".join(self._parts))
        self._parts = []
        return None


def form_ms(body: bytes) -> float:
    """Milliseconds that `parse_form` takes at most."""
    return len(body) * MS_PER_BYTE + body.count(b"--", 0, COUNTED_BYTES) * MS_PER_PART


def parse_form(body: bytes, content_type: str, files: frozenset[str]) -> Form:
    """The form in a body; `files` are the names of parts that may be files.

    Raises `InvalidRequest`. Nothing of it is written anywhere.
    """
    handler = FilesInMemory(files)
    meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": len(body)}
    problem = None
    try:
        texts, _ = Parser(meta, io.BytesIO(body), [handler]).parse()
    # Their texts may hold pieces of the body, and must not become the cause of what we raise.
    except RequestDataTooBig:
        problem = InvalidRequest("The texts in your form are too long.", code="string_above_max_length")
    except (MultiPartParserError, SuspiciousOperation, LookupError, ValueError):
        problem = InvalidRequest(MALFORMED)
    if problem is not None:
        raise problem
    return Form({INDEX.sub("", name): str(text) for name, text in texts.items()}, handler.files)
