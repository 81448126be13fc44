"""`make up`: Hanse on this machine with demo data, from nothing to a first request; Ctrl-C ends all of it.

Checks that it can run here, installs Triton while the database is migrated and seeded, runs the Procfile with honcho
and says where everything is once `/readyz` is content.
"""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

ROOT = Path(__file__).resolve().parent.parent
# Run as a script, only this file's folder is on the path.
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

import environ  # noqa: E402
import honcho.environ  # noqa: E402

from demo.supervisor import Supervisor  # noqa: E402
from inference.embedded_triton import TritonError, install_triton  # noqa: E402
from inference.embedded_triton.platforms import check_platform  # noqa: E402
from inference.embedded_triton.server import pick_ports  # noqa: E402

READY_SECONDS = 180


class StartError(Exception):
    """Why Hanse does not start here, as one sentence for the person at the terminal."""


class Stopped(BaseException):
    """SIGTERM or Ctrl-C, before there was anything to stop but a step."""


def main() -> int:
    """Runs until it is stopped (0), or until one of the processes ends by itself (1)."""
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    started = time.monotonic()
    try:
        os.chdir(ROOT)
        env = environment()
        var_dir = Path(env["VAR_DIR"])
        with only_one(var_dir):
            check_port(env)
            if not env["TRITON_URL"]:
                check_platform()
                env["TRITON_HTTP_PORT"] = str(pick_ports((int(env.get("TRITON_HTTP_PORT") or 0),))[0])
                env["TRITON_URL"] = f"http://127.0.0.1:{env['TRITON_HTTP_PORT']}"
            prepare(env)
            return run(env, started)
    except (StartError, TritonError) as error:
        sys.exit(f"Hanse cannot start: {error}")
    except Stopped:
        say("stopped.")
        return 0


def stop(number: int, frame: FrameType | None) -> NoReturn:
    """Ends the preparations; while processes run, honcho takes the signals."""
    raise Stopped


def environment() -> dict[str, str]:
    """What the processes get: the caller's environment, `.env`, and the defaults of `make up`."""
    env_file = os.environ.get("ENV_FILE", ".env")
    if env_file and Path(env_file).is_file():
        environ.Env.read_env(env_file)
    env = dict(os.environ)
    env["TRITON_URL"] = env.get("TRITON_URL", "").rstrip("/")
    if env["TRITON_URL"]:
        env.pop("TRITON_HTTP_PORT", None)
    env["VAR_DIR"] = str(Path(env.get("VAR_DIR") or "var").resolve())
    env["HOST"] = env.get("HOST") or "127.0.0.1"
    env["PORT"] = env.get("PORT") or "8000"
    # Ctrl-C shall not take half a minute, and nobody balances load here.
    env["DRAIN_SECONDS"] = env.get("DRAIN_SECONDS") or "4"
    env["DRAIN_LISTEN_SECONDS"] = env.get("DRAIN_LISTEN_SECONDS") or "0"
    env["LOG_FORMAT"] = env.get("LOG_FORMAT") or "console"
    # The Procfile says `python`; it shall be this one, and find this copy's code whatever else is installed.
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "platform")])
    env["PYTHONUNBUFFERED"] = "1"
    # Celery's warning about root, eight lines long: in a container the demo is root.
    env.setdefault("PYTHONWARNINGS", "ignore:You're running the worker with superuser privileges")
    return env


def embedded_triton(env: Mapping[str, str]) -> bool:
    """Whether this run brings its own engine."""
    return "TRITON_HTTP_PORT" in env


@contextlib.contextmanager
def only_one(var_dir: Path) -> Iterator[None]:
    """Holds `var_dir`; raises `StartError` while another `make up` runs on it."""
    var_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (var_dir / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(
                f"it runs on {var_dir} already; stop that one, or name another folder with VAR_DIR=."
            ) from None
        yield


def check_port(env: Mapping[str, str]) -> None:
    """Raises `StartError` where the web port cannot be had."""
    if not env["PORT"].isdecimal() or not 0 < int(env["PORT"]) < 65536:
        raise StartError(f"PORT={env['PORT']} is not a port number.")
    family = socket.AF_INET6 if ":" in env["HOST"] else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((env["HOST"], int(env["PORT"])))
        except OSError as error:
            raise StartError(
                f"port {env['PORT']} of {env['HOST']} cannot be used ({error.strerror}); "
                "choose another one, for example: make up PORT=8001"
            ) from None


def prepare(env: dict[str, str]) -> None:
    """Migrates and seeds the database, and meanwhile installs Triton. Raises `StartError` when a step fails."""
    python = sys.executable
    with contextlib.ExitStack() as stack:
        install = stack.enter_context(step([python, __file__, "install-triton"], env)) if embedded_triton(env) else None
        say("migrating the database ...")
        finish(stack.enter_context(step([python, "manage.py", "migrate"], env)), "migrating the database")
        say("seeding the demo ...")
        finish(stack.enter_context(step([python, "manage.py", "seed_demo"], env)), "seeding the demo")
        if install is not None:
            finish(install, "installing Triton")


@contextlib.contextmanager
def step(command: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A command that does not outlive the block, nor do its own children."""
    with subprocess.Popen(command, env=env, start_new_session=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)


def finish(process: subprocess.Popen[bytes], what: str) -> None:
    """Waits for a step; it has said itself what went wrong."""
    if process.wait() != 0:
        raise StartError(f"{what} failed, see above.")


def run(env: dict[str, str], started: float) -> int:
    """Runs the Procfile until a signal or the end of one process; then all of it has ended."""
    procfile = honcho.environ.parse_procfile((ROOT / "Procfile").read_text())
    supervisor = Supervisor(partial(greet, env, started))
    for name, command in procfile.processes.items():
        if name != "triton" or embedded_triton(env):
            supervisor.add_process(name, command, env=env, cwd=str(ROOT))
    supervisor.loop()
    if supervisor.culprit is None:
        say("stopped.")
        return 0
    name, status = supervisor.culprit
    say(f"stopped, because {name} ended by itself with status {status}; its last lines above say why.")
    return 1


def greet(env: Mapping[str, str], started: float, supervisor: Supervisor) -> None:
    """Waits for `/readyz`, then says where everything is."""
    host = "localhost" if env["HOST"] in {"127.0.0.1", "::1", "0.0.0.0", "::"} else env["HOST"]  # noqa: S104
    url = f"http://{host}:{env['PORT']}"
    missing: list[str] | None = None
    patience = READY_SECONDS
    while not supervisor.stopping:
        time.sleep(0.2)
        missing = not_ready(env)
        if missing == []:
            say(greeting(url, Path(env["VAR_DIR"]) / "demo", time.monotonic() - started))
            return
        if time.monotonic() - started > patience:
            patience += READY_SECONDS
            say(f"still not ready; {url}/readyz says: {', '.join(missing) if missing else 'nothing yet'}.")


def not_ready(env: Mapping[str, str]) -> list[str] | None:
    """The parts that `/readyz` finds failing; None where it does not answer yet."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(env["HOST"], env["HOST"])  # noqa: S104
    try:
        with urllib.request.urlopen(f"http://{host}:{env['PORT']}/readyz", timeout=5):
            return []
    except urllib.error.HTTPError as error:
        with contextlib.suppress(ValueError, KeyError):
            return [name for name, state in json.load(error)["checks"].items() if state != "ok"]
    except OSError:
        pass
    return None


def greeting(url: str, demo: Path, seconds: float) -> str:
    """What a person needs for the first five minutes."""
    key = (demo / "api-key").read_text().strip()
    customer = (demo / "customer-login").read_text().strip().replace("\t", "  ")
    operator = (demo / "admin-login").read_text().strip().replace("\t", "  ")
    return f"""ready after {seconds:.0f} s. Ctrl-C stops it.

    API         {url}/v1
    API key     {key}
    Dashboard   {url}/         {customer}
    Admin       {url}/admin/   {operator}

    curl {url}/v1/chat/completions \\
      -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
      -d '{{"model": "demo-chat", "stream": true, "messages": [{{"role": "user", "content": "What is Hanse?"}}]}}'

    The key and both logins are also in {demo}.
"""


def say(text: str, out: IO[str] = sys.stdout) -> None:
    """One message of ours."""
    print(f"hanse: {text}", file=out, flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["install-triton"]:
        try:
            install_triton(Path(os.environ["VAR_DIR"]))
        except TritonError as error:
            sys.exit(str(error))
        sys.exit(0)
    sys.exit(main())
