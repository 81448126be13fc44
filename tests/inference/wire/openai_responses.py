"""Responses and their events, held against the types of the openai package and the rules for streams."""

import json
from typing import Any, get_args

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel

# What the package does not declare, by the type that has it: keys of the Open Responses specification (penalties, bytes
# of tokens), and what OpenAI's own API sends beyond its types.
BEYOND = {
    "Response": {"presence_penalty", "frequency_penalty", "store"},
    "ResponseFunctionCallArgumentsDoneEvent": {"name"},
    "ResponseCustomToolCall": {"status"},
    "Logprob": {"bytes"},
    "LogprobTopLogprob": {"bytes"},
}
# The keys that each response object has, whatever was asked (wire.md 1.6).
KEYS = {
    "id", "object", "created_at", "status", "completed_at", "background", "error", "incomplete_details", "instructions",
    "max_output_tokens", "max_tool_calls", "model", "output", "parallel_tool_calls", "previous_response_id",
    "prompt_cache_key", "reasoning", "safety_identifier", "service_tier", "store", "temperature", "text", "tool_choice",
    "tools", "top_logprobs", "top_p", "presence_penalty", "frequency_penalty", "truncation", "usage", "user",
    "metadata",
}  # fmt: skip
# Codes that OpenAI's API is known to answer, and Codex to look for, beyond those that the package declares.
CODES = {"context_length_exceeded", "insufficient_quota", "server_is_overloaded"}
EVENTS: dict[str, type[BaseModel]] = {
    get_args(event.model_fields["type"].annotation)[0]: event for event in get_args(get_args(ResponseStreamEvent)[0])
}


def strict_response(body: Any) -> Response:
    """The response, when every value has exactly the declared type, every key is declared, and none is missing."""
    assert set(body) == KEYS
    known = body
    if body["error"] is not None and body["error"]["code"] in CODES:
        known = {**body, "error": {**body["error"], "code": "server_error"}}
    assert body["store"] is False
    assert body["background"] is False
    return declared(Response.model_validate(known, strict=True))


def strict_event(body: Any) -> BaseModel:
    """The same for the JSON of one event of a stream."""
    if "response" in body:
        strict_response(body["response"])
        body = {**body, "response": {**body["response"], "error": None}}
    return declared(EVENTS[body["type"]].model_validate(body, strict=True))


def declared(model: Any) -> Any:
    """`model`, when every key, however deep, is one that its type declares or `BEYOND` explains."""
    extra = set(model.model_extra or ()) - BEYOND.get(type(model).__name__, set())
    assert not extra, (type(model).__name__, extra)
    for value in model.__dict__.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, BaseModel):
                declared(item)
    return model


def events_of(stream: str) -> list[dict[str, Any]]:
    """The events of a whole stream, comments left out; asserts its form, its numbers, its types and its `[DONE]`."""
    *frames, done, rest = (frame for frame in stream.split("\n\n") if not frame.startswith(": "))
    assert (done, rest) == ("data: [DONE]", "")
    found = []
    for number, frame in enumerate(frames):
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event["sequence_number"] == number
        strict_event(event)
        found.append(event)
    check_order(found)
    return found


def check_order(events: list[dict[str, Any]]) -> None:
    """Asserts that events make sense one after the other: items open and close in order, and hold what was sent."""
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    for event in events[:2]:
        response = event["response"]
        assert (response["status"], response["output"], response["usage"]) == ("in_progress", [], None)
    last = events[-1]["response"]
    assert events[-1]["type"] == f"response.{last['status']}"
    assert last["status"] in ("completed", "incomplete", "failed")
    constant = ("id", "created_at", "model", "tools", "instructions", "metadata", "text")
    assert all(event["response"][key] == last[key] for event in events[:2] for key in constant)
    done: list[dict[str, Any]] = []
    texts: list[str] | None = None
    for event in events[2:-1]:
        kind = event["type"]
        assert event["output_index"] == len(done), "items come one after the other"
        if kind == "response.output_item.added":
            assert texts is None, "the item before is done"
            opened, texts = event["item"], []
            assert opened["status"] == "in_progress"
            continue
        assert texts is not None
        if kind == "response.output_item.done":
            item = event["item"]
            assert (item["id"], item["type"]) == (opened["id"], opened["type"])
            held = item.get("arguments", item.get("input"))
            assert (item["content"][0]["text"] if held is None else held) == "".join(texts)
            done.append(item)
            texts = None
            continue
        assert event["item_id"] == opened["id"]
        if kind.endswith(".delta"):
            texts.append(event["delta"])
        elif kind in ("response.output_text.done", "response.reasoning_text.done"):
            assert event["text"] == "".join(texts)
    assert last["status"] == "failed" or texts is None
    assert last["output"] == done
    assert len({item["id"] for item in done}) == len(done)
