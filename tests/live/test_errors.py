"""Every error: status, type, code, param and headers as OpenAI's clients expect them."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from tests.live.asking import HELLO, ask, call, check, check_broken_stream
from tests.live.engines import measure

pytestmark = pytest.mark.live

ASK = {"model": "demo-chat", "messages": HELLO}


def test_no_key(server):
    check(
        call(server, None, json={"model": "demo-chat", "messages": HELLO}),
        401,
        "invalid_request_error",
        "invalid_api_key",
    )


@pytest.mark.parametrize("wrong", ["sk-wrong", "x" * 5000, "sk-hanse-" + "a" * 61])
def test_a_wrong_key_is_never_repeated(server, wrong):
    answer = call(server, wrong, json=ASK)
    error = check(answer, 401, "invalid_request_error", "invalid_api_key")
    assert wrong not in error["message"] or len(wrong) < 10


def test_a_right_key_with_one_wrong_character(server, stack):
    wrong = stack.api_key[:-9] + ("A" if stack.api_key[-9] != "A" else "B") + stack.api_key[-8:]
    check(
        call(server, wrong, json={"model": "demo-chat", "messages": HELLO}),
        401,
        "invalid_request_error",
        "invalid_api_key",
    )


def test_an_unknown_route_is_unknown_before_the_key_is_asked_for(server):
    for path in ("/v1/nope", "/v1/", "/v1/messages", "/v1/chat/completions/extra"):
        check(call(server, None, path=path, json={}), 404, "invalid_request_error", "unknown_url")


def test_a_wrong_method_names_the_right_ones(server, stack):
    answer = call(server, stack.api_key, method="GET")
    check(answer, 405, "invalid_request_error", "method_not_supported")
    assert answer.headers["allow"] == "POST"
    answer = call(server, stack.api_key, method="DELETE", path="/v1/models")
    check(answer, 405, "invalid_request_error", "method_not_supported")


def test_an_unknown_model(server, stack):
    error = check(
        call(server, stack.api_key, json={"model": "nope", "messages": HELLO}),
        404,
        "invalid_request_error",
        "model_not_found",
        "model",
    )
    assert error["message"] == "The model `nope` does not exist or you do not have access to it."
    error = check(
        call(server, stack.api_key, json={"model": "Demo_Chta", "messages": HELLO}),
        404,
        "invalid_request_error",
        "model_not_found",
        "model",
    )
    assert "does not exist or you do not have access to it. Did you mean `demo-chat`" in error["message"]
    check(
        call(server, stack.api_key, method="GET", path="/v1/models/no%2Fsuch"),
        404,
        "invalid_request_error",
        "model_not_found",
        "model",
    )


def test_an_sdk_with_a_wrong_model_gets_its_own_exception(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nope", messages=HELLO)
    assert caught.value.code == "model_not_found"
    assert caught.value.request_id


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"text"', b'{"model": "demo-chat"', b"\xff\xfe", b'{"model": NaN}', b"[" * 100_000],
)
def test_a_body_that_is_no_json_object(server, stack, body):
    answer = call(server, stack.api_key, content=body, headers={"content-type": "application/json"})
    check(answer, 400, "invalid_request_error", None)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"messages": None}, "missing_required_parameter", "messages"),
        ({"messages": []}, "empty_array", "messages"),
        ({"messages": "Hello"}, "invalid_type", "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "invalid_value", "messages[0].role"),
        ({"messages": [*HELLO, {"role": "user", "content": 5}]}, "invalid_type", "messages[1].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "missing_required_parameter",
            "messages[0].content[0].text",
        ),
        ({"temperature": "hot"}, "invalid_type", "temperature"),
        ({"temperature": 2.5}, "decimal_above_max_value", "temperature"),
        ({"top_p": -0.1}, "decimal_below_min_value", "top_p"),
        ({"n": 0}, "integer_below_min_value", "n"),
        ({"n": 129}, "integer_above_max_value", "n"),
        ({"max_tokens": 0}, "integer_below_min_value", "max_tokens"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "array_above_max_length", "stop"),
        ({"stream_options": {"include_usage": True}}, "invalid_value", "stream_options"),
        ({"top_logprobs": 3}, "invalid_value", "top_logprobs"),
        ({"logit_bias": {"5": 101}}, "decimal_above_max_value", "logit_bias"),
        ({"logit_bias": {"99999999": 1}}, "invalid_value", "logit_bias"),
        ({"tools": [{"type": "function", "function": {"name": "f g"}}]}, "invalid_value", "tools[0].function.name"),
        ({"functions": [{"name": "f"}]}, "unsupported_parameter", "functions"),
        ({"response_format": {"type": "xml"}}, "invalid_value", "response_format.type"),
        ({"modalities": ["text", "audio"]}, "unsupported_parameter", "modalities"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "unsupported_parameter", "audio"),
    ],
)
def test_a_refused_field_is_named(server, stack, fields, code, param):
    body = {"model": "demo-chat", "messages": HELLO, **fields}
    answer = call(server, stack.api_key, json={name: value for name, value in body.items() if value is not None})
    error = answer.json()["error"]
    assert (error["param"] or "").startswith(param), error
    check(answer, 400, "invalid_request_error", code, error["param"])


def test_an_image_is_refused_by_its_place(server, stack):
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}},
    ]
    answer = call(server, stack.api_key, json={"model": "demo-chat", "messages": [{"role": "user", "content": parts}]})
    assert answer.json()["error"]["param"].startswith("messages[0].content[1]")
    check(answer, 400, "invalid_request_error", "empty_image_file", answer.json()["error"]["param"])


def test_a_prompt_that_is_too_long_never_reaches_the_engine(server, stack, triton):
    def taken() -> float:
        # The page follows the engine by at most 0.05 s.
        time.sleep(0.2)
        return measure(triton.metrics_url, "demo_chat_requests_total")

    before = taken()
    body = {"model": "demo-chat", "messages": ask("word " * 20_000)}
    for stream in (False, True):
        answer = call(server, stack.api_key, json={**body, "stream": stream})
        error = check(answer, 400, "invalid_request_error", "context_length_exceeded", "messages")
        assert "This model's maximum context length is" in error["message"]
    assert taken() == before
    assert call(server, stack.api_key, json=ASK).status_code == 200
    assert taken() == before + 1


def test_a_prompt_that_only_the_engine_finds_too_long_is_told_with_its_length(server, stack):
    # Three tokens a character: far more than texts of this size have.
    body = {"model": "demo-chat", "max_tokens": 10, "messages": ask("\u6f22" * 5000)}
    for stream in (False, True):
        answer = call(server, stack.api_key, json={**body, "stream": stream})
        error = check(answer, 400, "invalid_request_error", "context_length_exceeded", "messages")
        assert re.search(r"maximum context length is 8192 tokens.* resulted in 15\d\d\d tokens", error["message"])


def test_a_request_of_countless_messages_holds_up_nobody(uvicorn, stack):
    def seconds_of_an_answer() -> float:
        start = time.monotonic()
        assert call(uvicorn, stack.api_key, "GET", "/v1/models").status_code == 200
        return time.monotonic() - start

    body = {"model": "demo-chat", "messages": [{"role": "user", "content": ""}] * 300_000}
    with ThreadPoolExecutor(1) as client:
        answer = client.submit(call, uvicorn, stack.api_key, json=body)
        longest = max(seconds_of_an_answer() for _ in iter(answer.done, True))
    check(answer.result(), 400, "invalid_request_error", "context_length_exceeded", "messages")
    assert longest < 3


def test_another_content_type(server, stack):
    answer = call(
        server, stack.api_key, content=b"model=demo", headers={"content-type": "application/x-www-form-urlencoded"}
    )
    check(answer, 415, "invalid_request_error", "unsupported_content_type")


def test_a_body_that_is_too_large(server, stack):
    body = json.dumps({"model": "demo-chat", "messages": [{"role": "user", "content": "x" * 21_000_000}]})
    answer = call(server, stack.api_key, content=body, headers={"content-type": "application/json"})
    check(answer, 413, "invalid_request_error", "request_too_large")


def test_an_engine_that_fails_before_its_first_token(server, stack):
    body = {"model": "demo-chat", "messages": [{"role": "user", "content": "[[fail=0]]"}]}
    for stream in (False, True):
        check(call(server, stack.api_key, json={**body, "stream": stream}), 502, "server_error", "backend_error")


def test_an_engine_that_fails_in_the_middle(server, stack):
    body = {"model": "demo-chat", "messages": [{"role": "user", "content": "[[fail=3]]"}]}
    check(call(server, stack.api_key, json=body), 502, "server_error", "backend_error")
    chunks = check_broken_stream(
        call(server, stack.api_key, json={**body, "stream": True}), "server_error", "backend_error"
    )
    assert any(chunk["choices"][0]["delta"].get("content") for chunk in chunks)


def test_an_engine_that_dries_up_never_ends_an_answer_cleanly(server, stack):
    body = {"model": "demo-chat", "messages": ask("[[dry]]")}
    check(call(server, stack.api_key, json=body), 502, "server_error", "backend_error")
    answer = call(server, stack.api_key, json={**body, "stream": True})
    check_broken_stream(answer, "server_error", "backend_error")
