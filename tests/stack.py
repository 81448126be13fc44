"""A running Hanse for tests: database, seed and real web servers, in processes of their own."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.engines import ROOT, free_port, plain_environment, postgres_database, redis_database, server_environment
from tests.resident import Resident

START_SECONDS = 60.0
STOP_SECONDS = 15.0

SERVERS: dict[str, list[str]] = {
    "uvicorn": ["config.serve", "--host", "127.0.0.1", "--port", "{port}"],
    "daphne": ["daphne", "--verbosity", "0", "--bind", "127.0.0.1", "--port", "{port}", "config.asgi:application"],
}  # fmt: skip
WORKER = [
    "celery", "--quiet", "--app", "config", "worker", "--pool", "threads", "--concurrency", "2",
    "--without-gossip", "--without-mingle", "--without-heartbeat",
]  # fmt: skip


@dataclass(frozen=True)
class Server:
    """A web server of a stack. `url` has no slash at the end; `v1` is what an OpenAI SDK wants as its base URL."""

    name: str
    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def v1(self) -> str:
        """The API's base URL."""
        return f"{self.url}/v1"


@dataclass(frozen=True)
class Stack:
    """One installation: its settings, what the seed made, and the servers that run on it.

    `admin` and `customer` are (e-mail address, password). `api_key` has every scope, usage:read too. Whatever the
    processes print lies in `log_dir`, below `var_dir`.
    """

    env: dict[str, str] = field(repr=False)
    var_dir: Path
    database_url: str
    redis_url: str
    triton_url: str
    api_key: str = field(repr=False)
    organization: str
    admin: tuple[str, str] = field(repr=False)
    customer: tuple[str, str] = field(repr=False)
    resident: Resident
    model: str = "demo-chat"
    servers: dict[str, Server] = field(default_factory=dict)

    @property
    def base_urls(self) -> dict[str, str]:
        """The web servers by name, without /v1."""
        return {name: server.url for name, server in self.servers.items()}

    @property
    def log_dir(self) -> Path:
        """Where the output of each process goes."""
        return self.var_dir / "logs"

    @property
    def pepper(self) -> str:
        """What its keys are digested and sealed with."""
        return self.env.get("API_KEY_PEPPER") or (self.var_dir / "secrets" / "api-key-pepper").read_text().strip()

    def manage(self, *arguments: str, check: bool = True, **env: str) -> "subprocess.CompletedProcess[str]":
        """Runs `manage.py` on this installation; `check` fails the test with what it printed."""
        done = (
            self.resident.run(list(arguments))
            if not env
            else subprocess.run(
                [sys.executable, "manage.py", *arguments],
                cwd=ROOT,
                env=self.env | env,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
        )
        assert not check or done.returncode == 0, f"manage.py {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done

    def manage_json(self, *arguments: str) -> Any:
        """What `manage.py … --json` says."""
        return json.loads(self.manage(*arguments, "--json").stdout)

    @contextmanager
    def serve(self, name: str = "uvicorn", **env: str) -> Iterator[Server]:
        """One more web server on this installation, with other settings: `stack.serve(MAX_BODY_BYTES="1000")`."""
        with self.launch(name, **env) as server:
            wait_until_up(server)
            yield server

    @contextmanager
    def launch(self, name: str = "uvicorn", *, port: int = 0, **env: str) -> Iterator[Server]:
        """The same without waiting until it answers; on a port of 127.0.0.1 that may be given."""
        port = port or free_port()
        url = f"http://127.0.0.1:{port}"
        command = [part.format(port=port) for part in SERVERS[name]]
        if self.database_url:
            # Cookies over http want to be asked for there.
            env = {"PUBLIC_URL": url} | env
        with self.run(f"{name}-{port}", command, **env) as process:
            yield Server(name, url, process, self.log_dir / f"{name}-{port}.log")

    @contextmanager
    def work(self, **env: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A Celery worker on this installation."""
        with self.run("worker", WORKER, **env) as process:
            yield process

    @contextmanager
    def run(self, name: str, module: list[str], **env: str) -> Iterator["subprocess.Popen[bytes]"]:
        """`python -m module …`, its output in `log_dir`, ended with the block."""
        with (self.log_dir / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=ROOT,
                env=self.env | env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            end(process)


@contextmanager
def start_stack(
    folder: Path, triton_url: str, *, servers: tuple[str, ...] = ("uvicorn", "daphne"), **settings: str
) -> Iterator[Stack]:
    """A new installation in `folder` on the lane's engines, seeded, with `servers` running; gone with the block."""
    with ExitStack() as until_the_end:
        database_server, redis_server = os.environ["HANSE_TEST_DATABASE_URL"], os.environ["HANSE_TEST_REDIS_URL"]
        database_url = until_the_end.enter_context(postgres_database(database_server)) if database_server else ""
        redis_url = until_the_end.enter_context(redis_database(redis_server)) if redis_server else ""
        var_dir = folder / "var"
        env = plain_environment() | server_environment(database_url, redis_url)
        # Servers come and go quickly here.
        env |= {"DRAIN_SECONDS": "4", "DRAIN_LISTEN_SECONDS": "0"} | settings
        env |= {"VAR_DIR": str(var_dir), "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "platform")])}
        (var_dir / "logs").mkdir(parents=True)
        resident = Resident(env)
        until_the_end.callback(resident.end)
        for command in (["migrate", "--verbosity", "0"], ["seed_demo", "--triton-url", triton_url]):
            done = resident.run(command)
            assert done.returncode == 0, done.stderr
        stack = Stack(
            env=env,
            var_dir=var_dir,
            database_url=database_url,
            redis_url=redis_url,
            triton_url=triton_url,
            api_key=(var_dir / "demo" / "api-key").read_text().strip(),
            organization="demo",
            admin=login(var_dir / "demo" / "admin-login"),
            customer=login(var_dir / "demo" / "customer-login"),
            resident=resident,
        )
        for name in servers:
            stack.servers[name] = until_the_end.enter_context(stack.launch(name))
        for server in stack.servers.values():
            wait_until_up(server)
        yield stack


def login(file: Path) -> tuple[str, str]:
    """The address and the password in one of the seed's files."""
    email, _, password = file.read_text().strip().partition("\t")
    return email, password


def wait_until_up(server: Server) -> None:
    """Returns when `/healthz` answers; fails with the end of the log."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/healthz", timeout=5):
                return
        except urllib.error.HTTPError:
            raise
        except OSError:
            time.sleep(0.1)
    status, log = server.process.poll(), server.log.read_text()[-4000:]
    raise AssertionError(f"{server.url} did not start (status {status}):\n{log}")


def end(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM, and SIGKILL for what is still there after `STOP_SECONDS`."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
