"""The embedded Triton as a child process: start, wait until ready, stop, leave nothing behind."""

import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from inference.embedded_triton.errors import TritonError, TritonUnavailable
from inference.embedded_triton.install import install_triton
from inference.embedded_triton.layout import prepare_layout
from inference.embedded_triton.slots import Slot, take_slot

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO_REPOSITORY = ROOT / "demo" / "triton"
DEMO_ASSETS = ROOT / "demo" / "assets"
HOST = "127.0.0.1"
# How long tritonserver waits for running requests on SIGTERM, and how long we then wait for tritonserver.
EXIT_TIMEOUT_SECONDS = 3
KILL_AFTER_SECONDS = EXIT_TIMEOUT_SECONDS + 7
PORT_ATTEMPTS = 3
# Below Linux's range for outgoing connections (32768 on): Triton binds its ports seconds after they were picked.
PORT_RANGE = (20_000, 32_000)
_PR_SET_PDEATHSIG = 1


class EmbeddedTriton:
    """One tritonserver that serves `repository` on this machine, on ports of its own.

    `models` are loaded at once ("*": all of them); Triton loads others when it is told to. A port of 0 means any free
    one; `url` and `metrics_url` are final once `wait_ready` returned. `environment` is added to the server's and so
    reaches its Python models. Start it from a thread that outlives it: the kernel ends the server when the thread that
    started it ends, so that a killed test run leaves no server behind.
    """

    def __init__(
        self,
        var_dir: Path,
        repository: Path = DEMO_REPOSITORY,
        *,
        models: Sequence[str] = ("*",),
        http_port: int = 0,
        grpc_port: int = 0,
        metrics_port: int = 0,
        environment: dict[str, str] | None = None,
        progress: Callable[[str], object] = print,
    ) -> None:
        self.var_dir = Path(var_dir)
        self.repository = Path(repository).resolve()
        self._models = tuple(models)
        self._wanted = (http_port, grpc_port, metrics_port)
        assets = os.environ.get("DEMO_ASSETS_DIR") or str(DEMO_ASSETS)
        self._environment = {"DEMO_ASSETS_DIR": assets, **(environment or {})}
        self._progress = progress
        self._slot: Slot | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._attempts = 0
        self.http_port, self.grpc_port, self.metrics_port = self._wanted

    @property
    def url(self) -> str:
        """Base URL of Triton's HTTP endpoint, without a slash at the end."""
        return f"http://{HOST}:{self.http_port}"

    @property
    def metrics_url(self) -> str:
        """URL of Triton's Prometheus page."""
        return f"http://{HOST}:{self.metrics_port}/metrics"

    @property
    def pid(self) -> int | None:
        """The server's process id while it is there."""
        return self._process.pid if self._process else None

    @property
    def log_path(self) -> Path | None:
        """Triton's own log of this run; it holds no content of requests."""
        return self._slot.log if self._slot else None

    def start(self) -> None:
        """Install if necessary and launch; returns before the models are loaded. Raises `TritonError`."""
        if self._process is not None:
            raise TritonError("This embedded Triton was started already.")
        venv = install_triton(self.var_dir, self._progress)
        self._layout = prepare_layout(venv)
        self._slot = take_slot(self.var_dir)
        try:
            self._launch()
        except BaseException:
            self.stop()
            raise

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Block until every model is loaded; `timeout` in seconds. Raises `TritonUnavailable`, and stops the server."""
        deadline = time.monotonic() + timeout
        while not self._answers_ready():
            status = self.poll()
            if status is not None and self._lost_a_port() and self._attempts < PORT_ATTEMPTS:
                self._launch()
            elif status is not None:
                reason = self._last_error()
                self.stop()
                raise TritonUnavailable(f"The embedded Triton ended while starting (status {status}). {reason}")
            elif time.monotonic() > deadline:
                log = self.log_path
                self.stop()
                raise TritonUnavailable(f"The embedded Triton was not ready within {timeout:g} s; see {log}.")
            time.sleep(0.05)

    def poll(self) -> int | None:
        """The exit status if the server has ended, else None."""
        return self._process.poll() if self._process else None

    def stop(self) -> None:
        """End the server and remove its shared memory; running requests get a few seconds. Safe to call twice."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(KILL_AFTER_SECONDS)
            # Stubs of a server that died or gave up waiting are in its process group.
            _kill_group(self._process.pid)
            self._process.wait()
            self._process = None
        if self._slot is not None:
            self._slot.release()
            self._slot = None

    def __enter__(self) -> Self:
        self.start()
        self.wait_ready()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _launch(self) -> None:
        assert self._slot is not None  # noqa: S101
        self._attempts += 1
        self.http_port, self.grpc_port, self.metrics_port = pick_ports(self._wanted)
        command = [
            str(self._layout.binary),
            f"--model-repository={self.repository}",
            f"--backend-directory={self._layout.backends}",
            # Explicit, so that a model whose stub died can be healed: unload, then load.
            "--model-control-mode=explicit",
            *(f"--load-model={model}" for model in self._models),
            f"--http-address={HOST}",
            f"--http-port={self.http_port}",
            f"--grpc-address={HOST}",
            f"--grpc-port={self.grpc_port}",
            f"--metrics-address={HOST}",
            f"--metrics-port={self.metrics_port}",
            "--metrics-interval-ms=200",
            "--allow-gpu-metrics=false",
            f"--exit-timeout-secs={EXIT_TIMEOUT_SECONDS}",
            f"--backend-config=python,shm-region-prefix-name={self._slot.prefix}",
        ]
        with self._slot.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                command,
                env={**os.environ, **self._layout.environment, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(self._slot.lock,),
                # A group of its own: a terminal's Ctrl-C reaches the supervisor alone, which then stops in order.
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    def _answers_ready(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            return False
        try:
            with urllib.request.urlopen(f"{self.url}/v2/health/ready", timeout=2) as response:  # noqa: S310
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _lost_a_port(self) -> bool:
        """Another process took a port between our picking it and Triton's binding it."""
        assert self._slot is not None  # noqa: S101
        return 0 in self._wanted and b"in use" in self._slot.log.read_bytes()

    def _last_error(self) -> str:
        assert self._slot is not None  # noqa: S101
        lines = self._slot.log.read_text(errors="replace").splitlines()
        errors = [line.partition("] ")[2] or line for line in lines if line[:1] == "E" or "error:" in line]
        return f"{errors[-1] if errors else 'Triton gave no reason'} (log: {self._slot.log})"


def pick_ports(wanted: tuple[int, ...]) -> tuple[int, ...]:
    """`wanted`, with a different free TCP port of 127.0.0.1 for each 0. Raises `TritonError` for one that is taken."""
    for port in wanted:
        if port and not _is_free(port):
            raise TritonError(f"Port {port} of {HOST}, wanted for the embedded Triton, is taken.")
    picked = [port for port in wanted if port]
    while len(picked) < len(wanted):
        port = random.randint(*PORT_RANGE)  # noqa: S311
        if port not in picked and _is_free(port):
            picked.append(port)
    free = iter(picked[sum(1 for port in wanted if port) :])
    return tuple(port or next(free) for port in wanted)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
