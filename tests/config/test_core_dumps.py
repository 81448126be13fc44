"""Whatever crashes, no process of ours leaves its memory behind."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from config.core_dumps import is_dumpable
from tests.engines import ROOT, free_port, plain_environment
from tests.stack import SERVERS, WORKER

pytestmark = pytest.mark.faults

BEAT = ["celery", "--quiet", "--app", "config", "beat", "--schedule", "{folder}/schedule", "--pidfile="]
PROCESSES = {
    **{name: ["-m", *command] for name, command in SERVERS.items()},
    "worker": ["-m", *WORKER],
    "beat": ["-m", *BEAT],
    "manage.py": ["manage.py", "shell", "--no-imports", "-c", "import signal; signal.pause()"],
}


@pytest.fixture
def unlimited() -> Iterator[None]:
    """What is started now may write core files of any size, as after `ulimit -c unlimited`."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


def limits(pid: int) -> dict[str, str]:
    """The soft limit of each kind that Linux holds a process to."""
    rows = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {row[:26].strip(): row[26:].split()[0] for row in rows}


def crash(process: "subprocess.Popen[bytes]", number: int) -> int:
    """Ends a process by a signal; whether it was merely killed or dumped its core (`waitid`'s `si_code`)."""
    process.send_signal(number)
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    assert ended.si_status == number
    process.wait()
    return ended.si_code


def test_this_process_is_not_dumpable() -> None:
    assert not is_dumpable()
    assert limits(os.getpid())["Max core file size"] == "0"


def test_no_process_leaves_a_core_dump(unlimited: None, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    env = plain_environment() | {"VAR_DIR": str(tmp_path / "var"), "PYTHONFAULTHANDLER": "1"}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "platform")])
    before = set(ROOT.glob("core*"))
    with ExitStack() as until_the_end, (tmp_path / "log").open("wb") as log:
        started = {}
        for name, command in PROCESSES.items():
            words = [part.format(port=free_port(), folder=tmp_path) for part in command]
            process = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=env, stdout=log, stderr=log)
            until_the_end.callback(process.wait)
            until_the_end.callback(process.kill)
            started[name] = process
        for name, process in started.items():
            deadline = time.monotonic() + 60
            while limits(process.pid)["Max core file size"] != "0":
                assert process.poll() is None, f"{name}: {(tmp_path / 'log').read_text()}"
                assert time.monotonic() < deadline, name
                time.sleep(0.05)
        how = {name: crash(process, signal.SIGABRT) for name, process in started.items()}
    assert how == dict.fromkeys(PROCESSES, os.CLD_KILLED)
    assert set(ROOT.glob("core*")) == before


def test_the_crash_of_another_program_here_would_leave_one(unlimited: None, tmp_path: Path) -> None:
    if resource.getrlimit(resource.RLIMIT_CORE)[0] == 0:
        pytest.skip("This machine forbids core files to everybody.")
    process = subprocess.Popen([sys.executable, "-c", "input()"], cwd=tmp_path, stdin=subprocess.PIPE)
    assert crash(process, signal.SIGABRT) == os.CLD_DUMPED
    if not Path("/proc/sys/kernel/core_pattern").read_text().startswith(("|", "/")):
        assert list(tmp_path.glob("core*"))
