"""The web process, forked from one that has its modules loaded: `python -m tests.live.forked_web` starts one for each
port on standard input and prints its process id.

What takes a real start of a web process its seconds is loading modules; a test that kills it twenty times cannot wait
for that. Everything else, from its files to its connections, begins in the fork.
"""

import gc
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.engines import ROOT, free_port

START_SECONDS = 30.0


class WebProcesses:
    """Starts web processes of one installation, one after the other; seen from a test run."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        """`env` names the installation; `log` gets what they print."""
        with log.open("ab") as output:
            self._parent = subprocess.Popen(
                [sys.executable, "-m", "tests.live.forked_web"],
                cwd=ROOT,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )
        self._pids: list[int] = []

    def start(self) -> tuple[int, str]:
        """A process that answers, as (process id, base URL)."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        port = free_port()
        print(port, file=self._parent.stdin, flush=True)
        pid = int(self._parent.stdout.readline())
        self._pids.append(pid)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return pid, f"http://127.0.0.1:{port}"
            time.sleep(0.01)
        raise AssertionError("The web process did not start.")

    def end(self) -> None:
        """Kills what still runs."""
        for pid in self._pids:
            # Reaped by its parent only, whose end comes after: the number is still that process'.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._parent.communicate(timeout=30)


def main() -> None:
    """Forks until standard input ends, then reaps."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from config import serve

    # Else every fork copies what the collector touches.
    gc.freeze()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
            sys.stdin.close()
            sys.argv = ["serve", "--port", line.strip()]
            serve.main()
            os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
