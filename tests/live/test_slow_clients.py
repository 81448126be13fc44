"""Clients that hang up, read slowly or not at all: engines stop or are held back, nothing leaks, records are true."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import psutil
import pytest

from tests.live.asking import CHAT, HELLO, bearer
from tests.live.engines import EndlessEngine, PacedEngine, endless_engine, eventually, paced_engine
from tests.live.test_faults import publish
from tests.stack import Server, Stack

pytestmark = [pytest.mark.live, pytest.mark.faults]

CLIENTS = 20
STALL_SECONDS = 4
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def paced() -> Iterator[PacedEngine]:
    """An engine that says how many answers it was left alone with."""
    with paced_engine() as running:
        yield running


@pytest.fixture(scope="module")
def endless() -> Iterator[EndlessEngine]:
    """An engine whose answers have no end."""
    with endless_engine() as running:
        yield running


@pytest.fixture(scope="module")
def model(stack: Stack, paced: PacedEngine) -> str:
    """On the paced engine."""
    return publish(stack, paced.url, first_token_timeout="3")


@pytest.fixture(scope="module")
def endless_model(stack: Stack, endless: EndlessEngine) -> str:
    """On the other one."""
    return publish(stack, endless.url)


@pytest.fixture(scope="module")
def server(stack: Stack, model: str, endless_model: str) -> Iterator[Server]:
    """A server to be measured: it has served before, so that what it keeps for good is there."""
    with stack.serve(CLIENT_STALL_SECONDS=str(STALL_SECONDS)) as running:
        for _ in range(CLIENTS):
            assert ask(running, stack, model).status_code == 200
        yield running
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(10) == 0
        lines = [json.loads(line) for line in running.log.read_text().splitlines()]
    # After all that was done to it: no request that nobody waits for, and but a handful of tasks of its own.
    (told,) = [line for line in lines if line["event"] == "draining"]
    assert told["requests"] == 0
    assert told["pending"] < CLIENTS / 2


def ask(server: Server, stack: Stack, model: str) -> httpx.Response:
    """A short answer at once."""
    body = {"model": model, "messages": HELLO, "max_tokens": 5, "seed": 0}
    return httpx.post(server.url + CHAT, json=body, headers=bearer(stack.api_key), timeout=10)


@contextmanager
def nothing_leaks(server: Server, *, megabytes: int) -> Iterator[psutil.Process]:
    """The web process; after the block it must soon have the sockets that it had before, and at most so much memory.

    A connection to the database or to Redis more is no leak; one for each client would be.
    """
    process = psutil.Process(server.process.pid)
    files, memory = process.num_fds(), process.memory_info().rss
    yield process
    eventually(lambda: process.num_fds() < files + CLIENTS / 4)
    assert process.memory_info().rss - memory < megabytes * MEGABYTE


@contextmanager
def crowd(server: Server, stack: Stack, model: str, *, stream: bool = True) -> Iterator[list[socket.socket]]:
    """Clients that have sent their requests, with little room for what they do not read."""
    body = {"model": model, "messages": HELLO, "max_tokens": 2000, "seed": 20, "stream": stream}
    content = json.dumps(body).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    head += f"authorization: Bearer {stack.api_key}\r\ncontent-length: {len(content)}\r\n\r\n"
    with ExitStack() as until_the_end:
        clients = []
        for _ in range(CLIENTS):
            client = until_the_end.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(10)
            client.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
            client.sendall(head.encode() + content)
            clients.append(client)
        yield clients


def read_head(client: socket.socket) -> None:
    """Reads the head of the answer and not much more."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(256)


class Records:
    """The records that come from now on."""

    def __init__(self, server: Server, stack: Stack) -> None:
        self.url = f"{server.v1}/usage/records"
        self.headers = bearer(stack.api_key)
        self.known = {row["id"] for row in self.all()}

    def all(self) -> list[dict]:
        """The latest of the organization."""
        rows: list[dict] = httpx.get(self.url, params={"limit": "999"}, headers=self.headers).json()["data"]
        return rows

    def of_the_crowd(self) -> list[dict]:
        """One for each client, once they are there."""
        eventually(lambda: len({row["id"] for row in self.all()} - self.known) >= CLIENTS)
        rows = [row for row in self.all() if row["id"] not in self.known]
        assert len(rows) == CLIENTS
        return rows


def test_a_client_that_never_reads_holds_its_engine_back_and_is_cut_off(server, stack, endless, endless_model):
    records = Records(server, stack)
    with nothing_leaks(server, megabytes=16) as process:
        memory = process.memory_info().rss
        with crowd(server, stack, endless_model) as clients:
            for client in clients:
                read_head(client)
            time.sleep(STALL_SECONDS / 2)
            assert endless.running == CLIENTS
            # What is on its way lies in the kernel's buffers.
            assert endless.written < CLIENTS * 3 * MEGABYTE
            assert process.memory_info().rss - memory < CLIENTS * MEGABYTE
            eventually(lambda: endless.running == 0, seconds=STALL_SECONDS + 5)
        rows = records.of_the_crowd()
    assert {row["outcome"] for row in rows} == {"cancelled"}
    assert all(row["output_tokens"] > 10 and row["cost_nano"] > 0 for row in rows)
    assert sum(row["output_tokens"] for row in rows) * 1000 < endless.written


def test_a_client_that_reads_a_byte_at_a_time_holds_its_engine_back(server, stack, endless, endless_model):
    records, before = Records(server, stack), endless.written
    with nothing_leaks(server, megabytes=16):
        with crowd(server, stack, endless_model) as clients:
            for client in clients:
                read_head(client)
            for _ in range(10):
                time.sleep(STALL_SECONDS / 20)
                assert all(len(client.recv(1)) == 1 for client in clients)
            assert endless.running == CLIENTS
            assert endless.written - before < CLIENTS * 3 * MEGABYTE
        eventually(lambda: endless.running == 0)
        rows = records.of_the_crowd()
    assert {row["outcome"] for row in rows} == {"cancelled"}
    assert all(row["output_tokens"] > 10 and row["cost_nano"] > 0 for row in rows)


@pytest.mark.parametrize("stream", [True, False])
def test_clients_that_leave_stop_the_engine(server, stack, paced, model, stream):
    records, before = Records(server, stack), paced.counters
    with nothing_leaks(server, megabytes=8):
        with crowd(server, stack, model, stream=stream):
            eventually(lambda: paced.counters["started"] == before["started"] + CLIENTS)
            # A few tokens, at twenty a second.
            time.sleep(0.3)
        eventually(lambda: paced.counters["cancelled"] == before["cancelled"] + CLIENTS)
        rows = records.of_the_crowd()
    assert {(row["outcome"], row["streamed"]) for row in rows} == {("cancelled", stream)}
    assert all(1 <= row["output_tokens"] < 100 and row["cost_nano"] > 0 for row in rows)


def test_a_frozen_engine_leaks_nothing_whether_its_clients_wait_or_leave(server, stack, paced, model):
    with nothing_leaks(server, megabytes=8):
        paced.process.send_signal(signal.SIGSTOP)
        try:
            with crowd(server, stack, model, stream=False) as waiting:
                with crowd(server, stack, model):
                    time.sleep(0.3)
                start = time.monotonic()
                answers = [client.recv(64).split()[1] for client in waiting]
            # The model's time, not the engine's; those who came while it was known to hang need not wait for it.
            assert b"504" in answers
            assert set(answers) <= {b"504", b"503"}
            assert time.monotonic() - start < 8
        finally:
            paced.process.send_signal(signal.SIGCONT)
        eventually(lambda: paced.running == 0)
    eventually(lambda: ask(server, stack, model).status_code == 200)
