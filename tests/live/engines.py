"""What the embedded Triton's demo model tells of itself, for tests that look behind the gateway."""

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

import httpx

from tests.engines import ROOT, free_port


def measure(metrics_url: str, name: str) -> float:
    """The sum of a metric over its labels."""
    text = httpx.get(metrics_url, timeout=10).text
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE))


def counted(metrics_url: str, name: str, *, least: float = 0) -> float:
    """The same once it is at least `least` and stands still, for counters: the page is a moment behind the engine."""
    eventually(lambda: measure(metrics_url, name) >= least)
    value = measure(metrics_url, name)
    while True:
        time.sleep(0.15)
        value, before = measure(metrics_url, name), value
        if value == before:
            return value


def eventually(holds: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Returns as soon as `holds` does; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "It did not come true in time."
        time.sleep(0.05)


@contextmanager
def scripted_engine(*responses: dict) -> Iterator[str]:
    """An engine that answers every request with these responses, for what a real one cannot be made to say."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()
            for response in responses:
                self.wfile.write(b"data: %b\n\n" % json.dumps(response).encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class PacedEngine:
    """`benchmarks.upstream` in a process of its own: tokens at a pace that a request names as its `seed`, 1 to 1000."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str) -> None:
        self.process = process
        self.url = url

    @property
    def counters(self) -> dict[str, int]:
        """How many answers it has `started`, `completed`, and saw `cancelled` by the gateway."""
        counters: dict[str, int] = httpx.get(f"{self.url}/counters", timeout=10).json()
        return counters

    @property
    def running(self) -> int:
        """How many answers are under way."""
        counters = self.counters
        return counters["started"] - counters["completed"] - counters["cancelled"]


@contextmanager
def paced_engine(port: int = 0) -> Iterator[PacedEngine]:
    """A running one; a `port` of 0 means any free one."""
    port = port or free_port()
    command = [sys.executable, "-m", "benchmarks.upstream", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
    engine = PacedEngine(process, f"http://127.0.0.1:{port}")

    def answers() -> bool:
        assert process.poll() is None
        try:
            return engine.running >= 0
        except httpx.TransportError:
            return False

    try:
        eventually(answers, seconds=30)
        yield engine
    finally:
        # A frozen one ends, too.
        process.kill()
        process.wait()


class EndlessEngine:
    """Answers every request with tokens of 1 kB for as long as they are taken; it counts what was `written`, in bytes.

    `running`: how many answers are under way.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.written = self.running = 0


@contextmanager
def endless_engine() -> Iterator[EndlessEngine]:
    """A running one, for what a gateway does whose client does not read."""
    response = {"text_output": "x" * 1000, "num_output_tokens": 1, "num_input_tokens": 10, "finish_reason": "None"}
    frame = b"data: %b\n\n" % json.dumps(response).encode()
    lock = Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
            self.send_response(200)
            self.end_headers()
            with lock:
                engine.running += 1
            with suppress(OSError):
                while True:
                    self.connection.sendall(frame)
                    with lock:
                        engine.written += len(frame)
            with lock:
                engine.running -= 1

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        engine = EndlessEngine(f"http://127.0.0.1:{server.server_port}")
        Thread(target=server.serve_forever).start()
        yield engine
        server.shutdown()
