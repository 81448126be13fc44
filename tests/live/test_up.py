"""`make up`: from nothing to a first answer, again on the same data, side by side, and gone without a trace."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import psutil
import pytest

from tests.engines import ROOT, free_port, plain_environment

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]


@dataclass
class Run:
    """A running `make up`: what it was given and what it has printed so far."""

    process: "subprocess.Popen[bytes]"
    var_dir: Path
    port: int
    log: Path
    family: list[psutil.Process]

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def key(self) -> str:
        return (self.var_dir / "demo" / "api-key").read_text().strip()

    def text(self) -> str:
        return self.log.read_text()

    def stop(self, number: int = signal.SIGINT) -> int:
        """Sends the signal to the group, as a terminal does; returns the exit status within twenty seconds."""
        self.family = psutil.Process(self.process.pid).children(recursive=True)
        os.killpg(self.process.pid, number)
        return self.process.wait(20)


@contextmanager
def up(var_dir: Path, root: Path = ROOT, **env: str) -> Iterator[Run]:
    """Starts it; what is still there at the end is killed."""
    port = free_port()
    log = var_dir.parent / f"{var_dir.name}-{port}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "demo/up.py"],
            cwd=root,
            env=plain_environment() | {"VAR_DIR": str(var_dir), "PORT": str(port)} | env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    run = Run(process, var_dir, port, log, [])
    try:
        yield run
    finally:
        for left in [*run.family, *children(process.pid)]:
            if left.is_running():
                left.kill()
        if process.poll() is None:
            process.kill()
        process.wait()


def children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def wait_for(run: Run, words: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while words not in run.text():
        assert run.process.poll() is None, run.text()
        assert time.monotonic() < deadline, run.text()
        time.sleep(0.1)


def ask(run: Run) -> str:
    with openai.OpenAI(base_url=f"{run.url}/v1", api_key=run.key, max_retries=0, timeout=60) as sdk:
        answer = sdk.chat.completions.create(
            model="demo-chat", messages=[{"role": "user", "content": "What is Hanse?"}], max_tokens=12, temperature=0
        )
    return answer.choices[0].message.content or ""


def nothing_left(run: Run) -> None:
    """No process of the run, no port, no shared memory."""
    assert run.family
    alive = [process for process in run.family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert alive == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", run.port)) != 0
    log = run.text()
    prefixes = [f"hanse-{process.pid}-" for process in run.family]
    assert "Triton: stopped." in log
    assert [path for prefix in prefixes for path in Path("/dev/shm").glob(f"{prefix}*")] == []  # noqa: S108


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A `VAR_DIR` in which Triton is installed already, by a link to the repository's: that part has its own tests."""
    from inference.embedded_triton import install_triton

    install_triton(ROOT / "var")
    var_dir = tmp_path_factory.mktemp("up") / "var"
    (var_dir / "triton").mkdir(parents=True)
    (var_dir / "triton" / "venv").symlink_to(ROOT / "var" / "triton" / "venv")
    return var_dir


def test_first_start_greets_answers_and_leaves_nothing_and_the_second_keeps_everything(installed):
    with up(installed) as run:
        wait_for(run, "Ctrl-C stops it.")
        text = run.text()
        operator = (installed / "demo" / "admin-login").read_text().strip().split("\t")
        customer = (installed / "demo" / "customer-login").read_text().strip().split("\t")
        for expected in (f"{run.url}/v1", f"{run.url}/admin/", run.key, *operator, *customer):
            assert expected in text
        for name in ("api-key", "admin-login", "customer-login"):
            assert stat.S_IMODE((installed / "demo" / name).stat().st_mode) == 0o600
        assert re.fullmatch(r"sk-hanse-[0-9A-Za-z]{61}", run.key)
        assert httpx.get(f"{run.url}/readyz").json()["status"] == "ready"
        first_answer = ask(run)
        assert first_answer
        kept = {name: (installed / "demo" / name).read_text() for name in ("api-key", "admin-login", "customer-login")}
        started = time.monotonic()
        assert run.stop() == 0
        assert time.monotonic() - started < 15
        nothing_left(run)

    with up(installed) as again:
        wait_for(again, "Ctrl-C stops it.")
        assert {name: (installed / "demo" / name).read_text() for name in kept} == kept
        assert ask(again) == first_answer
        usage = httpx.get(f"{again.url}/v1/usage/records", headers={"Authorization": f"Bearer {again.key}"}).json()
        assert len(usage["data"]) >= 1
        # Another terminal on the same folder, and one on the same port, are told what is wrong.
        with up(installed) as third:
            assert third.process.wait(30) == 1
            assert f"it runs on {installed} already" in third.text()
        with up(installed.parent / "elsewhere", PORT=str(again.port)) as fourth:
            assert fourth.process.wait(30) == 1
            assert f"port {again.port} of 127.0.0.1 cannot be used" in fourth.text()
            assert "PORT=" in fourth.text()
        # A copy that is told of a Triton starts none of its own.
        (triton_url,) = re.findall(r"Triton: ready on (\S+)", again.text())
        with up(installed.parent / "guest", TRITON_URL=f"{triton_url}/") as guest:
            wait_for(guest, "Ctrl-C stops it.")
            assert ask(guest) == first_answer
            assert "triton started" not in guest.text()
            assert not (guest.var_dir / "triton").exists()
            assert guest.stop() == 0
        assert again.stop(signal.SIGTERM) == 0
        nothing_left(again)


def test_two_copies_run_side_by_side_and_each_dies_whole_and_alone(installed, tmp_path):
    copy = tmp_path / "copy"
    # Not by git: the repository may have come as an archive.
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "var", "tests", "docs", "__pycache__"))
    other = tmp_path / "var"
    (other / "triton").mkdir(parents=True)
    (other / "triton" / "venv").symlink_to(ROOT / "var" / "triton" / "venv")
    with up(installed) as one, up(other, copy) as two:
        wait_for(one, "Ctrl-C stops it.")
        wait_for(two, "Ctrl-C stops it.")
        assert one.key != two.key
        assert ask(one)
        assert ask(two)
        two.family = children(two.process.pid)
        (beat,) = [process for process in two.family if "beat" in process.cmdline() and "celery" in process.cmdline()]
        beat.kill()
        assert two.process.wait(30) == 1
        assert "because beat ended by itself" in two.text()
        nothing_left(two)
        assert ask(one)
        # Killed outright, the first takes its processes along.
        one.family = children(one.process.pid)
        assert len(one.family) >= 6
        one.process.kill()
        _, alive = psutil.wait_procs(one.family, timeout=20)
        assert alive == []


@pytest.mark.parametrize("port", ["0", "70000", "http"])
def test_port_that_is_none_is_refused_in_a_sentence(tmp_path, port):
    with up(tmp_path / "var", PORT=port) as run:
        assert run.process.wait(30) == 1
        assert run.text().strip() == f"Hanse cannot start: PORT={port} is not a port number."


def test_without_secrets_for_its_database_it_says_which(tmp_path):
    url = "postgres://nobody@127.0.0.1:9/none"
    with up(tmp_path / "var", DATABASE_URL=url, TRITON_URL="http://127.0.0.1:9") as run:
        assert run.process.wait(30) == 1
        assert "SECRET_KEY, API_KEY_PEPPER, TOKEN_SIGNING_KEY" in run.text()
        assert "Traceback" not in run.text()
