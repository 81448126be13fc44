"""The end of a web process, alone and in a rolling restart: nothing that has begun is lost, nothing new is begun."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from benchmarks.upstream import MARK
from tests.engines import free_port
from tests.live.asking import CHAT, HELLO, bearer, call, check, check_broken_stream, check_stream
from tests.live.engines import PacedEngine, endless_engine, eventually, paced_engine
from tests.live.test_faults import publish
from tests.live.test_slow_clients import Records, crowd, read_head
from tests.live.test_usage import record
from tests.reverse_proxy import reverse_proxy
from tests.stack import Server, Stack, wait_until_up

pytestmark = [pytest.mark.live, pytest.mark.faults]


@pytest.fixture(scope="module")
def engine() -> Iterator[PacedEngine]:
    """An engine that costs next to nothing."""
    with paced_engine() as running:
        yield running


@pytest.fixture(scope="module")
def model(stack: Stack, engine: PacedEngine) -> str:
    """A model on it."""
    return publish(stack, engine.url)


def asking(model: str, *, tokens: int, pace: int, stream: bool) -> dict:
    """A request for so many tokens, so many a second."""
    return {"model": model, "messages": HELLO, "max_tokens": tokens, "seed": pace, "stream": stream}


def begin(clients: ThreadPoolExecutor, server: Server, stack: Stack, engine: PacedEngine, *bodies: dict) -> list:
    """The answers to come, once the engine has begun them all."""
    wanted = engine.counters["started"] + len(bodies)
    answers = [clients.submit(call, server, stack.api_key, json=body) for body in bodies]
    eventually(lambda: engine.counters["started"] == wanted)
    return answers


def test_what_has_begun_is_finished_and_what_is_new_is_sent_elsewhere(uvicorn, stack, engine, model):
    bodies = [asking(model, tokens=40, pace=20, stream=stream) for stream in (False, True)]
    more = {"DRAIN_SECONDS": "20", "DRAIN_LISTEN_SECONDS": "1"}
    with stack.serve(**more) as server, ThreadPoolExecutor(2) as clients, httpx.Client(base_url=server.url) as kept:
        headers = bearer(stack.api_key)
        assert kept.get("/v1/models", headers=headers).status_code == 200
        whole, streamed = begin(clients, server, stack, engine, *bodies)
        server.process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        eventually(lambda: httpx.get(f"{server.url}/readyz").status_code == 503, seconds=3)
        assert httpx.get(f"{server.url}/readyz").json() == {"status": "draining"}
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        # A connection that was open before, and new ones; the body is not even looked at.
        for refused in (
            kept.post(CHAT, headers=headers, json=bodies[0]),
            call(server, stack.api_key, json=bodies[0]),
            call(server, None, content=b"x" * 3_000_000),
        ):
            check(refused, 503, "server_error", "server_shutting_down")
            assert refused.headers["connection"] == "close"
        assert not whole.done()
        assert not streamed.done()
        assert server.process.wait(20) == 0
        assert time.monotonic() - told < 10
    assert whole.result().json()["usage"]["completion_tokens"] == 40
    assert check_stream(streamed.result())
    for answer in (whole.result(), streamed.result()):
        row = record(uvicorn, stack, answer.headers["x-request-id"])
        assert (row["outcome"], row["output_tokens"]) == ("completed", 40)


def test_what_is_not_finished_in_time_is_cut_and_free(uvicorn, stack, engine, model):
    cancelled = engine.counters["cancelled"]
    bodies = [asking(model, tokens=2000, pace=20, stream=stream) for stream in (False, True)]
    with stack.serve(DRAIN_SECONDS="0.5") as server, ThreadPoolExecutor(2) as clients:
        answers = begin(clients, server, stack, engine, *bodies)
        # Some tokens before the end.
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
    whole, streamed = (answer.result() for answer in answers)
    check(whole, 503, "server_error", "server_shutting_down")
    assert check_broken_stream(streamed, "server_error", "server_shutting_down")
    for answer in (whole, streamed):
        row = record(uvicorn, stack, answer.headers["x-request-id"])
        assert (row["outcome"], row["error_code"], row["cost_nano"]) == ("failed", "server_shutting_down", 0)
        assert row["output_tokens"] > 1
    eventually(lambda: engine.counters["cancelled"] == cancelled + 2)


def test_a_client_that_does_not_read_does_not_pay_for_our_end(uvicorn, stack):
    with endless_engine() as endless, stack.serve(DRAIN_SECONDS="0.5") as server:
        model, records = publish(stack, endless.url), Records(uvicorn, stack)
        with crowd(server, stack, model) as clients:
            for client in clients:
                read_head(client)
            # Until the gateway waits for them.
            time.sleep(0.5)
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(10) == 0
        rows = records.of_the_crowd()
    assert {(row["outcome"], row["error_code"], row["cost_nano"]) for row in rows} == {
        ("failed", "server_shutting_down", 0)
    }
    assert all(row["output_tokens"] > 10 for row in rows)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(uvicorn, stack, engine, model, second):
    body = asking(model, tokens=2000, pace=20, stream=True)
    with stack.serve(DRAIN_SECONDS="60", DRAIN_LISTEN_SECONDS="60") as server, ThreadPoolExecutor(1) as clients:
        (answer,) = begin(clients, server, stack, engine, body)
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: httpx.get(f"{server.url}/readyz").status_code == 503, seconds=3)
        server.process.send_signal(second)
        told = time.monotonic()
        server.process.wait(10)
        assert time.monotonic() - told < 6
    check_broken_stream(answer.result(), "server_error", "server_shutting_down")
    row = record(uvicorn, stack, answer.result().headers["x-request-id"])
    assert (row["outcome"], row["cost_nano"]) == ("failed", 0)


def test_the_log_tells_of_the_end_and_of_nothing_left(stack):
    with stack.serve() as server:
        assert call(server, stack.api_key, "GET", "/v1/models").status_code == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    (told,) = [line for line in lines if line["event"] == "draining"]
    assert (told["signal"], told["requests"]) == ("SIGTERM", 0)
    assert [line for line in lines if line["level"] in {"warning", "error"}] == []


def test_a_port_that_is_taken_is_named(stack):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with stack.launch(port=port) as server:
            assert server.process.wait(20) == 3
            lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert [line["port"] for line in lines if line["event"] == "cannot listen"] == [port]


class Crowd:
    """Clients that ask again and again until they are told to stop, and never try anything twice."""

    def __init__(self, url: str, stack: Stack, model: str) -> None:
        self.url = url + CHAT
        self.headers = bearer(stack.api_key)
        self.model = model
        self.stopped = False
        self.tokens: dict[str, int] = {}

    def ask(self, stream: bool) -> None:
        """Streams of a second, or short answers; raises what fails."""
        tokens, pace = (20, 20) if stream else (5, 25)
        body = asking(self.model, tokens=tokens, pace=pace, stream=stream)
        with httpx.Client(headers=self.headers, timeout=30) as http:
            while not self.stopped:
                answer = http.post(self.url, json=body)
                if stream:
                    check_stream(answer)
                assert answer.status_code == 200, answer.text
                assert answer.text.count(MARK) == tokens
                self.tokens[answer.headers["x-request-id"]] = tokens


def test_in_a_rolling_restart_behind_a_reverse_proxy_no_request_fails(uvicorn, stack, model, tmp_path):
    ports = [free_port(), free_port()]
    settings = {"DRAIN_SECONDS": "20", "DRAIN_LISTEN_SECONDS": "0.5", "TRUSTED_PROXIES": "127.0.0.1"}
    with ExitStack() as running, reverse_proxy(tmp_path, ports) as url, ThreadPoolExecutor(12) as clients:
        servers = [running.enter_context(stack.launch(port=port, **settings)) for port in ports]
        for server in servers:
            wait_until_up(server)
        crowd = Crowd(url, stack, model)
        answers = [clients.submit(crowd.ask, stream) for stream in [True] * 8 + [False] * 4]
        try:
            for server, port in zip(servers, ports, strict=True):
                # Under load, and with answers of both processes begun.
                time.sleep(0.5)
                server.process.send_signal(signal.SIGTERM)
                assert server.process.wait(20) == 0
                wait_until_up(successor := running.enter_context(stack.launch(port=port, **settings)))
                eventually(lambda ready=f"{successor.url}/readyz": httpx.get(ready).status_code == 200)
        finally:
            crowd.stopped = True
        for answer in answers:
            answer.result()
    assert len(crowd.tokens) > 50
    assert recorded(uvicorn, stack, set(crowd.tokens)) == crowd.tokens


def test_the_recommended_proxy_writes_no_prompt_to_disk(uvicorn, stack, model, tmp_path):
    port = int(uvicorn.url.rpartition(":")[2])
    body = asking(model, tokens=2000, pace=0, stream=True)
    with reverse_proxy(tmp_path, [port, port]) as url, httpx.Client(headers=bearer(stack.api_key)) as http:
        assert check_stream(http.post(url + CHAT, json=body))
        answer = http.post(url + CHAT, json=body | {"messages": [{"role": "user", "content": "word " * 200_000}]})
    check(answer, 400, "invalid_request_error", "context_length_exceeded", "messages")


def recorded(server: Server, stack: Stack, ids: set[str]) -> dict[str, int]:
    """The output tokens of these requests, if each is on record once as completed."""
    url, params = f"{server.v1}/usage/records", {"limit": "999"}
    rows = httpx.get(url, params=params, headers=bearer(stack.api_key), timeout=10).json()["data"]
    found = [(row["id"], row["output_tokens"]) for row in rows if row["id"] in ids and row["outcome"] == "completed"]
    assert len(found) == len(ids)
    return dict(found)
