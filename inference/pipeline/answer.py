"""What a view is given of a request, and what it sends."""

import time
import uuid
from collections.abc import AsyncGenerator, Callable
from typing import Any

from msgspec import Struct

from accounts.errors import ApiError

EVENT_STREAM = "text/event-stream; charset=utf-8"


class Arrival(Struct, frozen=True):
    """When a request came (Unix and monotonic seconds) and the id it got."""

    request_id: uuid.UUID
    started_at: float
    monotonic: float


def arrive(request_id: uuid.UUID) -> Arrival:
    """A request that comes in now."""
    return Arrival(request_id, time.time(), time.monotonic())


class Answer(Struct):
    """What a view sends: a whole body, or frames (server-sent events unless `content_type` says else) as they come.

    With `encode`, `frames` are events of which it makes bytes, none of some: cheaper than one more generator. `failed`
    makes the last frame of a stream that broke off, where it is to be another than OpenAI's error object.
    """

    headers: dict[str, str]
    body: bytes = b""
    frames: AsyncGenerator[Any, None] | None = None
    encode: Callable[[Any], bytes] | None = None
    content_type: str = EVENT_STREAM
    failed: Callable[[ApiError], bytes] | None = None
