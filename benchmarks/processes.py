"""Server processes: started, pinned to a core, measured and ended."""

import os
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class StartError(Exception):
    """A process that does not come up; the text carries the end of its log."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now, and that no connection of the load gets as its own meanwhile."""
    while True:
        # Below the range from which systems take the ports of outgoing connections.
        port = random.randrange(15_000, 32_000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def cores() -> tuple[set[int], set[int]]:
    """The core of the measured servers, and that of load and engine; the same one where there is no second."""
    usable = sorted(os.sched_getaffinity(0))
    return {usable[0]}, {usable[-1]}


class Server:
    """A child process that listens on `port` of 127.0.0.1; its output goes to a file in `folder`.

    It is up when a GET of `ready` brings 200; when that is empty, when the port is open.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        *,
        port: int,
        core: set[int],
        folder: Path,
        environment: Mapping[str, str],
        ready: str = "",
    ) -> None:
        self.name = name
        self.command = command
        self.port = port
        self.core = core
        self.log = folder / f"{name}.log"
        self.environment = environment
        self.ready = ready
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process' id. Raises `StartError` when it was not started."""
        if self.process is None:
            raise StartError(f"{self.name} was not started.")
        return self.process.pid

    def start(self, *, seconds: float = 60) -> None:
        """Run the command until it is up. Raises `StartError`."""
        with self.log.open("wb") as log:
            # preexec_fn: the pin must hold before the first thread starts, since threads inherit it.
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: os.sched_setaffinity(0, self.core),
            )
        deadline = time.monotonic() + seconds
        while not self.is_up():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise StartError(f"{self.name} did not come up:\n{self.last_lines()}")
            time.sleep(0.05)

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            if not self.ready:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return True
            self.get(self.ready)
        except (OSError, urllib.error.URLError):
            return False
        return True

    def get(self, path: str) -> bytes:
        """What a GET of `path` brings. Raises `OSError` (`urllib.error.HTTPError` for another status than 2xx)."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
            body: bytes = response.read()
            return body

    def last_lines(self, count: int = 10) -> str:
        """The end of its output; nothing if it was not started."""
        if self.process is None:
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def cpu_seconds(self) -> float:
        """CPU time of all its threads, ended ones included, to the nanosecond where /proc has hundredths of a second.

        The clock id of another process: clock_getcpuclockid(3), whose formula is CPUCLOCK_SCHED in
        linux/posix-timers_types.h.
        """
        return time.clock_gettime((~self.pid << 3) | 2)

    def rss_bytes(self) -> int:
        """Its resident memory, counted page by page: what other files of /proc say is kept per core, and rounded."""
        lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("Rss:")).split()[1])

    def stop(self) -> None:
        """End it: SIGTERM, and after 10 s SIGKILL."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def serve(port: int) -> list[str]:
    """The command of one web process as `make up` and production run it."""
    return [sys.executable, "-m", "config.serve", "--host", "127.0.0.1", "--port", str(port)]


def uvicorn(application: str, port: int) -> list[str]:
    """The same server bare, for another application."""
    options = ["--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop", "--http", "httptools"]
    options += ["--no-access-log", "--no-proxy-headers", "--no-server-header", "--timeout-graceful-shutdown", "4"]
    return [sys.executable, "-m", "uvicorn", application, *options]
