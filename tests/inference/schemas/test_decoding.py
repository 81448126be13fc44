"""JSON bodies into types, and what is said about those that do not fit."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.api.schemas.chat import ChatRequest, decode_chat
from inference.api.schemas.decoding import decode, supported_values
from inference.errors import InvalidRequest

MESSAGES = [{"role": "user", "content": "Hi"}]


def body(**fields: object) -> bytes:
    return json.dumps({"model": "m", "messages": MESSAGES, **fields}).encode()


def refusal(content: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        decode_chat(content)
    error = caught.value
    assert error.status == 400
    assert error.type == "invalid_request_error"
    # An error that drags another along would drag the content along with it.
    assert error.__cause__ is None
    assert error.__context__ is None
    return error


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"{",
        b"null",
        b"5",
        b"[]",
        b'"text"',
        b"\xef\xbb\xbf{}",
        b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]} x',
        b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}], "temperature": NaN}',
        b'{"model": "m", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b"model=m&messages=Hi",
    ],
)
def test_a_body_that_is_no_json_object_is_told_so(content: bytes) -> None:
    error = refusal(content)
    assert error.message.startswith("We could not parse the JSON body of your request.")
    assert error.code is None
    assert error.param is None


@pytest.mark.parametrize("field", ["audio", "tools", "chat_template_kwargs", "a_field_that_nobody_knows"])
def test_endless_nesting_is_refused(field: str) -> None:
    nested = b'{"a":[' * 50_000 + b"]}" * 50_000
    value = b"[%b]" % nested if field == "tools" else nested
    content = body()[:-1] + f', "{field}": '.encode() + value + b"}"
    assert refusal(content).message == "The JSON body of your request is nested too deeply."


@pytest.mark.parametrize(
    ("fields", "code", "param", "message"),
    [
        (
            {"messages": None},
            "invalid_type",
            "messages",
            "Invalid type for 'messages': expected an array, but got null instead.",
        ),
        (
            {"temperature": "hot"},
            "invalid_type",
            "temperature",
            "Invalid type for 'temperature': expected a decimal, but got a string instead.",
        ),
        (
            {"stop": 5},
            "invalid_type",
            "stop",
            "Invalid type for 'stop': expected one of a string or an array, but got an integer instead.",
        ),
        ({"n": 1.5}, "invalid_type", "n", "Invalid type for 'n': expected an integer, but got a decimal instead."),
        (
            {"stream": "true"},
            "invalid_type",
            "stream",
            "Invalid type for 'stream': expected a boolean, but got a string instead.",
        ),
        (
            {"messages": []},
            "empty_array",
            "messages",
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
        ),
        (
            {"stop": list("abcde")},
            "array_above_max_length",
            "stop",
            "Invalid 'stop': array too long. Expected an array with maximum length 4.",
        ),
        (
            {"temperature": 2.1},
            "decimal_above_max_value",
            "temperature",
            "Invalid 'temperature': decimal above maximum value. Expected a value <= 2.",
        ),
        (
            {"top_p": -0.1},
            "decimal_below_min_value",
            "top_p",
            "Invalid 'top_p': decimal below minimum value. Expected a value >= 0.",
        ),
        (
            {"n": 129},
            "integer_above_max_value",
            "n",
            "Invalid 'n': integer above maximum value. Expected a value <= 128.",
        ),
        (
            {"max_tokens": 0},
            "integer_below_min_value",
            "max_tokens",
            "Invalid 'max_tokens': integer below minimum value. Expected a value >= 1.",
        ),
        (
            {"safety_identifier": "x" * 129},
            "string_above_max_length",
            "safety_identifier",
            "Invalid 'safety_identifier': string too long. Expected a string with maximum length 128.",
        ),
        (
            {"bad_words": ["x", ""]},
            "empty_string",
            "bad_words[1]",
            "Invalid 'bad_words[1]': empty string. Expected a string with minimum length 1.",
        ),
        (
            {"metadata": {str(number): "" for number in range(17)}},
            "object_above_max_properties",
            "metadata",
            "Invalid 'metadata': too many properties. Expected an object with at most 16 properties.",
        ),
        (
            {"service_tier": "gold"},
            "invalid_value",
            "service_tier",
            (
                "Invalid value for 'service_tier'. "
                "Supported values are: 'auto', 'default', 'fast', 'flex', 'priority', 'scale'."
            ),
        ),
        (
            {"seed": 2**63},
            "integer_above_max_value",
            "seed",
            "Invalid 'seed': integer above maximum value. Expected a value <= 9223372036854775807.",
        ),
    ],
)
def test_a_wrong_value_is_named_in_openais_words(fields: dict, code: str, param: str, message: str) -> None:
    error = refusal(body(**fields))
    assert (error.code, error.param, error.message) == (code, param, message)


def test_what_is_missing_is_named_with_its_path() -> None:
    assert refusal(b"{}").param == "model"
    error = refusal(b'{"model": "m"}')
    assert (error.code, error.param) == ("missing_required_parameter", "messages")
    assert error.message == "Missing required parameter: 'messages'."
    error = refusal(body(messages=[MESSAGES[0], {"content": "x"}]))
    assert (error.code, error.param) == ("missing_required_parameter", "messages[1].role")


def test_a_wrong_type_deep_in_messages_is_named_with_its_path() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": 5}]
    error = refusal(body(messages=[*MESSAGES, {"role": "user", "content": parts}]))
    assert (error.code, error.param) == ("invalid_type", "messages[1].content[1].type")


def test_an_unknown_part_is_answered_with_the_known_ones() -> None:
    error = refusal(body(messages=[{"role": "user", "content": [{"type": "hologram"}]}]))
    assert (error.code, error.param) == ("invalid_value", "messages[0].content[0].type")
    assert "'text'" in error.message
    assert "'image_url'" in error.message


def test_a_refused_value_that_looks_like_an_error_changes_nothing() -> None:
    trap = "x' - at `$.nowhere`"
    error = refusal(body(messages=[{"role": trap, "content": "x"}]))
    assert (error.code, error.param) == ("invalid_value", "messages[0].role")
    assert "nowhere" not in error.message
    assert "'assistant'" in error.message


def test_the_key_of_a_mapping_is_not_repeated() -> None:
    error = refusal(body(logit_bias={"canary": 1}))
    assert (error.code, error.param) == ("invalid_type", "logit_bias")
    error = refusal(body(metadata={"canary": 1}))
    assert (error.code, error.param) == ("invalid_type", "metadata")
    assert "canary" not in error.message


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 5000, "1" + "0" * 400])
@pytest.mark.parametrize("field", ["temperature", "max_tokens", "seed", "audio", "logit_bias"])
def test_numbers_beyond_all_bounds_are_refused(field: str, number: str) -> None:
    content = body()[:-1] + f', "{field}": {number}}}'.encode()
    if field == "max_tokens" and number == "1" + "0" * 400:
        # A whole number, only far too large: it is clamped like any other.
        assert decode_chat(content).max_tokens == 10**400
        return
    assert refusal(content).param == field


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    content = b'{"model": "a", "model": "b", "messages": [{"role": "user", "role": "system", "content": "x"}]}'
    request = decode_chat(content)
    assert request.model == "b"
    assert request.messages[0].role == "system"


def test_supported_values_are_found_at_any_depth() -> None:
    assert set(supported_values(ChatRequest, "modalities[0]")) == {"text", "audio"}
    assert set(supported_values(ChatRequest, "tool_choice")) == {"none", "auto", "required"}
    assert supported_values(ChatRequest, "model") == []
    assert supported_values(ChatRequest, "no.such[3].field") == []


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_refused(content: bytes) -> None:
    with suppress(InvalidRequest):
        assert isinstance(decode(content, ChatRequest), ChatRequest)
