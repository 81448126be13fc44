"""Requests to a running stack, and what every answer has to keep to."""

import json
import uuid
from typing import Any

import httpx

from tests.inference.wire.openai_types import strict_chunk
from tests.stack import Server

CHAT = "/v1/chat/completions"
FORBIDDEN_WORDS = ("Traceback", "127.0.0.1", "localhost", "Error(", "/platform/", ".py")


def ask(text: str) -> list[dict[str, Any]]:
    """One message of a user."""
    return [{"role": "user", "content": text}]


HELLO = ask("Hello")


def bearer(key: str) -> dict[str, str]:
    """The header with the key."""
    return {"authorization": f"Bearer {key}"}


def call(server: Server, key: str | None, method: str = "POST", path: str = CHAT, **request: Any) -> httpx.Response:
    """Any request, with or without a key."""
    headers = (bearer(key) if key else {}) | request.pop("headers", {})
    return httpx.request(method, server.url + path, headers=headers, **({"timeout": 60} | request))


def check(answer: httpx.Response, status: int, kind: str, code: str | None, param: str | None = None) -> dict[str, Any]:
    """Asserts an error that is the whole answer: status, the object and the headers; the object."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    check_headers(answer)
    assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
    if status != 503:
        assert "retry-after" not in answer.headers
    else:
        assert int(answer.headers["retry-after"]) >= 1
    return check_error(answer.json(), kind, code, param)


def check_headers(answer: httpx.Response) -> None:
    """Asserts the headers of every answer, good or bad."""
    assert uuid.UUID(answer.headers["x-request-id"]).version == 7
    assert int(answer.headers["openai-processing-ms"]) >= 0
    assert answer.headers["openai-version"] == "2020-10-01"


def check_error(body: Any, kind: str, code: str | None, param: str | None = None) -> dict[str, Any]:
    """Asserts OpenAI's error object with all four keys, and that it tells nothing of the inside."""
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"], error["param"]) == (kind, code, param)
    assert error["message"]
    assert [word for word in FORBIDDEN_WORDS if word in error["message"]] == []
    return error


def check_broken_stream(answer: httpx.Response, kind: str, code: str) -> list[dict[str, Any]]:
    """Asserts a stream that began well and ended with an error event, and never looks whole; its chunks."""
    assert answer.status_code == 200, answer.text
    check_headers(answer)
    *frames, last = events(answer)
    check_error(json.loads(last), kind, code)
    chunks = [json.loads(frame) for frame in frames]
    for chunk in chunks:
        strict_chunk(chunk)
        assert [choice["finish_reason"] for choice in chunk["choices"]] == [None]
    return chunks


def check_stream(answer: httpx.Response) -> list[dict[str, Any]]:
    """Asserts a whole stream of chat chunks that ends with [DONE]; the chunks."""
    assert answer.status_code == 200, answer.text
    check_headers(answer)
    *frames, last = events(answer)
    assert last == "[DONE]"
    chunks = [json.loads(frame) for frame in frames]
    for chunk in chunks:
        strict_chunk(chunk)
    return chunks


def events(answer: httpx.Response) -> list[str]:
    """The events of a stream as they came, without their `data: ` and without comments."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert "content-encoding" not in answer.headers
    found = answer.text.split("\n\n")
    assert found.pop() == ""
    found = [event for event in found if not event.startswith(": ")]
    assert all(event.startswith("data: ") and "\n" not in event for event in found)
    return [event.removeprefix("data: ") for event in found]
