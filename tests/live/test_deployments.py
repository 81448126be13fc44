"""Deployments that are killed, frozen or crashed under load, seen from outside."""

import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psutil
import pytest

from inference.embedded_triton import EmbeddedTriton
from tests.engines import DEMO_CHAT, ROOT, free_port
from tests.live.asking import CHAT, HELLO, bearer, check, check_broken_stream, events
from tests.live.engines import eventually, measure, paced_engine
from tests.live.test_faults import ask, post, publish
from tests.stack import Server, Stack

pytestmark = [pytest.mark.live, pytest.mark.faults]

CLIENTS = 24
# One answer takes a quarter of a second.
TOKENS, PACE = 25, 100


@pytest.fixture(scope="module")
def other_triton() -> Iterator[EmbeddedTriton]:
    """A Triton of this module's own, to be broken."""
    with EmbeddedTriton(ROOT / "var", models=DEMO_CHAT, environment={"DEMO_CHAT_TOKENS_PER_SECOND": "2000"}) as server:
        yield server


class Load:
    """Clients that ask one thing after the other, half of them for streams, until they are told to stop."""

    def __init__(self, server: Server, stack: Stack, model: str) -> None:
        self.server, self.stack, self.model = server, stack, model
        self.outcomes: Counter[str] = Counter()
        self.stop = threading.Event()

    def client(self, number: int) -> None:
        """One client."""
        body = {"model": self.model, "messages": HELLO, "max_tokens": TOKENS, "seed": PACE, "stream": number % 2 == 0}
        with httpx.Client(base_url=self.server.url, headers=bearer(self.stack.api_key), timeout=60) as http:
            while not self.stop.is_set():
                self.outcomes[self.outcome(http.post(CHAT, json=body))] += 1

    def outcome(self, answer: httpx.Response) -> str:
        """`whole`, `cut` for one that had begun, or what else was said."""
        if answer.status_code != 200:
            code = answer.json()["error"]["code"]
            # A whole answer is not begun again once the engine has begun it.
            return "cut" if code == "backend_error" else str(code)
        if "stream" not in answer.headers["content-type"]:
            return "whole" if answer.json()["usage"]["completion_tokens"] == TOKENS else "short"
        *chunks, last = events(answer)
        if last == "[DONE]":
            return "whole"
        return "cut" if any(json.loads(chunk).get("choices") for chunk in chunks) else "failed before it began"

    @contextmanager
    def running(self) -> Iterator["Load"]:
        """While the block runs."""
        with ThreadPoolExecutor(CLIENTS) as clients:
            done = [clients.submit(self.client, number) for number in range(CLIENTS)]
            try:
                yield self
            finally:
                self.stop.set()
        for each in done:
            each.result()


class Listener:
    """Something at a dead engine's address that counts who comes, and closes."""

    def __init__(self, port: int) -> None:
        self.came = 0
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", port))
        self.socket.listen(128)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        """Until it is closed."""
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.came += 1
            connection.close()

    def close(self) -> None:
        """No more."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


def test_of_two_deployments_one_is_killed_under_load_left_alone_and_taken_back(uvicorn, stack):
    port = free_port()
    with paced_engine() as steady:
        with paced_engine(port) as fragile:
            model = publish(stack, steady.url, fragile.url)
            with Load(uvicorn, stack, model).running() as load:
                eventually(lambda: fragile.counters["completed"] > CLIENTS)
                balanced = (steady.counters["started"], fragile.counters["started"])
                fragile.process.kill()
                fragile.process.wait()
                listener = Listener(port)
                answered = load.outcomes["whole"]
                eventually(lambda: load.outcomes["whole"] > answered + 4 * CLIENTS, seconds=30)
                listener.close()
                with paced_engine(port) as again:
                    eventually(lambda: again.counters["completed"] > CLIENTS, seconds=20)
        outcomes = load.outcomes
    # Killed twice in all: when the test says so, and at the end of its block.
    assert set(outcomes) <= {"whole", "cut"}, outcomes
    assert outcomes["cut"] <= 2 * CLIENTS
    assert 0.6 < balanced[0] / balanced[1] < 1.6
    # Those that were on their way, and probes.
    assert listener.came <= CLIENTS + 4


def test_a_dead_stub_that_calls_itself_ready_costs_no_request_and_is_taken_back_when_it_is_healed(
    uvicorn, stack, other_triton
):
    alone = publish(stack, other_triton.url, first_token_timeout="2")
    model = publish(stack, other_triton.url, stack.triton_url)
    state = f"{model}-0"
    assert all(post(uvicorn, stack, ask("Hello", model=model)).status_code == 200 for _ in range(4))
    # Triton may never end the streams of a stub that died, refuses others and goes on calling the model ready.
    assert post(uvicorn, stack, ask("[[crash]]", model=alone)).status_code in {503, 504}
    check(post(uvicorn, stack, ask("Hello", model=alone)), 503, "server_error", "server_is_overloaded")
    assert httpx.get(f"{other_triton.url}/v2/models/demo-chat/ready").status_code == 200
    answers = [post(uvicorn, stack, ask("Hello", model=model, stream=n % 2 == 0)) for n in range(12)]
    assert [answer.status_code for answer in answers] == [200] * 12
    log = uvicorn.log.read_text()
    assert [(line["event"], line["reason"]) for line in said_of(state, log)] == [("deployment_failed", "engine_down")]
    checked = stack.manage("check_deployment", state, check=False)
    assert "is ready and does not work" in checked.stdout + checked.stderr
    for act in ("unload", "load"):
        httpx.post(f"{other_triton.url}/v2/repository/models/demo-chat/{act}", json={}, timeout=30).raise_for_status()
    eventually(lambda: said_of(state, uvicorn.log.read_text())[-1]["event"] == "deployment_recovered", seconds=30)


def said_of(deployment: str, log: str) -> list[dict]:
    """The lines of a log about a deployment."""
    lines = [json.loads(line) for line in log.splitlines() if f'"{deployment}"' in line]
    return [line for line in lines if line["event"].startswith("deployment_")]


def test_a_frozen_engine_costs_what_the_model_allows_and_leaves_nothing_behind(stack, other_triton):
    model = publish(stack, other_triton.url, first_token_timeout="1", idle_timeout="1")
    long = ask("[[n=2000]] [[pace=20]]", model=model) | {"max_tokens": 2000}
    with stack.serve() as server, ThreadPoolExecutor(16) as clients:
        process = psutil.Process(server.process.pid)

        def to_engine() -> int:
            """Connections to the engine."""
            found = process.net_connections("tcp")
            return sum(1 for each in found if each.raddr and each.raddr.port == other_triton.http_port)

        def all_at_once(body: dict) -> list[httpx.Response]:
            asking = [clients.submit(post, server, stack, body | {"stream": n % 2 == 0}) for n in range(16)]
            return [each.result() for each in asking]

        def freeze_under_way() -> None:
            running = [clients.submit(post, server, stack, long | {"stream": n % 2 == 0}) for n in range(16)]
            eventually(lambda: measure(other_triton.metrics_url, "demo_chat_running") == 16)
            os.killpg(other_triton.pid, signal.SIGSTOP)
            frozen = time.monotonic()
            for number, each in enumerate(running):
                answer = each.result()
                # On a busy machine a stream may not have had its first token when the engine froze.
                if number % 2 == 0 and answer.status_code == 200:
                    check_broken_stream(answer, "server_error", "backend_timeout")
                else:
                    check(answer, 504, "server_error", "backend_timeout")
            assert 0.5 < time.monotonic() - frozen < 3, "a second without a token"

        def freeze() -> None:
            freeze_under_way()
            asked = time.monotonic()
            for answer in all_at_once(ask("Hello", model=model)):
                check(answer, 504, "server_error", "backend_timeout")
            assert 0.9 < time.monotonic() - asked < 3, "a second until the first token"

        def thaw() -> None:
            os.killpg(other_triton.pid, signal.SIGCONT)
            eventually(lambda: post(server, stack, ask("Hello", model=model)).status_code == 200, seconds=20)
            assert all(answer.status_code == 200 for answer in all_at_once(ask("Hello", model=model)))

        try:
            freeze()
            thaw()
            # What is allocated once is there now.
            files, memory = process.num_fds() - to_engine(), process.memory_info().rss
            freeze()
        finally:
            os.killpg(other_triton.pid, signal.SIGCONT)
        thaw()
        # Those that wait for the next requests; each freeze broke 32.
        assert to_engine() <= 20
        eventually(lambda: process.num_fds() - to_engine() <= files + 2, seconds=5)
        assert process.memory_info().rss - memory < 5_000_000
