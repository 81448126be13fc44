"""Whatever a client sends is a request or refused with 400, and what it sent is not repeated."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from inference.api.schemas.chat import ChatRequest, conversation_of, decode_chat
from inference.errors import InvalidRequest

CANARY = "canary"
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8).map(CANARY.__add__)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
anything = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4))
MESSAGE_FIELDS = ("role", "content", "name", "refusal", "tool_calls", "tool_call_id", "function_call", "audio")


def outcome(body: Any) -> ChatRequest | InvalidRequest:
    result: ChatRequest | InvalidRequest
    try:
        result = request = decode_chat(json.dumps(body).encode())
        conversation = conversation_of(request)
    except InvalidRequest as error:
        result = error
    if isinstance(result, InvalidRequest):
        assert result.status == 400
        assert result.param is not None
        assert CANARY not in f"{result!r} {result.message} {result.param} {result.code}"
        return result
    # What was accepted can be carried on.
    assert all(isinstance(message["content"], str) for message in conversation.messages)
    return request


@settings(max_examples=400)
@given(st.sampled_from(ChatRequest.__struct_fields__), anything)
def test_any_value_in_any_field_is_a_request_or_refused(field: str, value: Any) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], field: value}
    result = outcome(body)
    if isinstance(result, InvalidRequest):
        assert str(result.param).startswith(field)


@settings(max_examples=400)
@given(
    st.sampled_from(("system", "user", "assistant", "tool")),
    st.dictionaries(st.sampled_from(MESSAGE_FIELDS), anything, max_size=3),
)
def test_any_message_is_taken_or_refused(role: str, fields: dict[str, Any]) -> None:
    result = outcome({"model": "m", "messages": [{"role": role, "content": "Hi", **fields}]})
    if isinstance(result, InvalidRequest):
        assert str(result.param).startswith("messages[0]")


@given(st.dictionaries(texts, anything, max_size=5))
def test_fields_that_nobody_knows_change_nothing(fields: dict[str, Any]) -> None:
    known = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    assert outcome({**fields, **known}) == outcome(known)
