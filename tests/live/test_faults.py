"""What breaks between the client and the engine: each fault is seen, said and recorded."""

import re
import time
import uuid

import httpx
import pytest

from tests.engines import free_port
from tests.live.asking import check, check_broken_stream, check_stream
from tests.live.engines import eventually, measure, scripted_engine
from tests.live.test_usage import record
from tests.stack import Server, Stack

pytestmark = [pytest.mark.live, pytest.mark.faults]

SIZES = ("--context-length", "4096", "--max-output-tokens", "2048", "--default-output-tokens", "512")


def ask(text: str, *, model: str = "demo-chat", stream: bool = False) -> dict:
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}


def post(server: Server, stack: Stack, body: dict, *, seconds: float = 60) -> httpx.Response:
    headers = {"authorization": f"Bearer {stack.api_key}"}
    return httpx.post(f"{server.v1}/chat/completions", json=body, headers=headers, timeout=seconds)


def publish(stack: Stack, *urls: str, **options: str) -> str:
    """A new model with a deployment at each URL, once every server knows of it all."""
    model = f"model-{uuid.uuid4().hex[:8]}"
    more = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
    stack.manage("publish_model", model, "--unpublished", "--assets", "demo-chat", *SIZES, *more)
    for number, url in enumerate(urls):
        name = f"{model}-{number}"
        stack.manage("add_deployment", name, "--model", model, "--url", url, "--triton-model", "demo-chat")
    # The model comes last, so whoever has it has its deployments.
    stack.manage("publish_model", model)
    headers = {"authorization": f"Bearer {stack.api_key}"}
    for server in stack.servers.values():
        eventually(lambda v1=server.v1: httpx.get(f"{v1}/models/{model}", headers=headers).status_code == 200)
    return model


def test_a_client_that_leaves_a_stream_stops_the_engine(server, stack, triton):
    cancelled = measure(triton.metrics_url, "demo_chat_cancelled_total")
    headers = {"authorization": f"Bearer {stack.api_key}"}
    body = ask("[[n=2000]] [[pace=50]]", stream=True) | {"max_tokens": 2000}
    with httpx.stream("POST", f"{server.v1}/chat/completions", json=body, headers=headers, timeout=30) as answer:
        request_id = answer.headers["x-request-id"]
        for number, _ in enumerate(answer.iter_lines()):
            if number > 20:
                break
    eventually(lambda: measure(triton.metrics_url, "demo_chat_cancelled_total") > cancelled)
    assert measure(triton.metrics_url, "demo_chat_running") == 0
    row = record(server, stack, request_id)
    assert row["outcome"] == "cancelled"
    assert 5 <= row["output_tokens"] < 500
    assert row["cost_nano"] > 0


def test_a_client_that_leaves_while_it_waits_stops_the_engine(server, stack, triton):
    cancelled = measure(triton.metrics_url, "demo_chat_cancelled_total")
    with pytest.raises(httpx.ReadTimeout):
        post(server, stack, ask("[[n=2000]] [[pace=50]]") | {"max_tokens": 2000}, seconds=1)
    eventually(lambda: measure(triton.metrics_url, "demo_chat_cancelled_total") > cancelled)
    assert measure(triton.metrics_url, "demo_chat_running") == 0


def test_a_deployment_that_is_down_is_unavailable(server, stack):
    model = publish(stack, f"http://127.0.0.1:{free_port()}")
    for stream in (False, True):
        answer = post(server, stack, ask("Hello", model=model, stream=stream))
        check(answer, 503, "server_error", "server_is_overloaded")


def test_a_model_without_a_deployment_is_unavailable(server, stack):
    answer = post(server, stack, ask("Hello", model=publish(stack)))
    check(answer, 503, "server_error", "server_is_overloaded")


def test_of_two_deployments_the_healthy_one_answers(server, stack):
    model = publish(stack, f"http://127.0.0.1:{free_port()}", stack.triton_url)
    for _ in range(6):
        assert post(server, stack, ask("Hello", model=model)).status_code == 200


def test_an_engine_slow_to_begin_is_given_up(server, stack):
    model = publish(stack, stack.triton_url, first_token_timeout="1")
    for stream in (False, True):
        start = time.monotonic()
        answer = post(server, stack, ask("[[delay=20]]", model=model, stream=stream))
        check(answer, 504, "server_error", "backend_timeout")
        assert time.monotonic() - start < 10


def test_an_engine_that_pauses_too_long_ends_the_stream_with_an_error(server, stack):
    model = publish(stack, stack.triton_url, idle_timeout="1")
    answer = post(server, stack, ask("[[pace=0.2]]", model=model, stream=True))
    check_broken_stream(answer, "server_error", "backend_timeout")


def test_all_choices_of_the_most_that_can_be_asked_for_come(uvicorn, stack):
    answer = post(uvicorn, stack, ask("[[n=3]]") | {"n": 128})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["choices"]) == 128


def test_a_failed_request_is_on_record_and_free(server, stack):
    answer = post(server, stack, ask("[[fail=3]]"))
    check(answer, 502, "server_error", "backend_error")
    row = record(server, stack, answer.headers["x-request-id"])
    assert (row["outcome"], row["error_code"], row["cost_nano"]) == ("failed", "backend_error", 0)


@pytest.mark.parametrize(("stream", "n"), [(False, 1), (True, 1), (True, 2)])
def test_what_an_engine_does_not_count_is_counted_here(server, stack, stream, n):
    with scripted_engine({"text_output": "Hello"}, {"text_output": " world.", "finish_reason": "stop"}) as url:
        body = ask("Hello", model=publish(stack, url), stream=stream) | {"n": n}
        answer = post(server, stack, body | ({"stream_options": {"include_usage": True}} if stream else {}))
    row = record(server, stack, answer.headers["x-request-id"])
    assert (row["outcome"], row["token_source"]) == ("completed", "counted")
    assert row["input_tokens"] > 5
    assert n * 2 <= row["output_tokens"] <= n * 8
    assert row["cost_nano"] > 0
    told = re.findall(r'"usage":\{"prompt_tokens":(\d+),"completion_tokens":(\d+)', answer.text)
    assert told == [(str(row["input_tokens"]), str(row["output_tokens"]))]


def test_a_quiet_stream_is_kept_alive_by_comments(stack):
    with stack.serve(STREAM_KEEPALIVE_SECONDS="0.3") as server:
        answer = post(server, stack, ask("[[delay=2]] [[n=5]]", stream=True))
    assert answer.text.startswith(": keep-alive\n\n")
    assert check_stream(answer)
    assert 3 <= answer.text.count(": keep-alive") <= 8


def test_an_error_after_a_comment_is_an_event(stack):
    with stack.serve(STREAM_KEEPALIVE_SECONDS="0.3") as server:
        answer = post(server, stack, ask("[[delay=1]] [[fail=0]]", stream=True))
    assert answer.text.startswith(": keep-alive\n\n")
    assert check_broken_stream(answer, "server_error", "backend_error") == []


def test_readiness_says_that_no_deployment_is_healthy(stack):
    with httpx.Client(base_url=stack.servers["uvicorn"].url) as http:
        assert http.get("/healthz").status_code == 200
        assert http.get("/readyz").status_code == 200
