"""The embedded Triton as a process: side by side, stopped, crashed, killed; and what it writes to disk."""

import os
import platform
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inference.embedded_triton import (
    EmbeddedTriton,
    TritonError,
    TritonUnavailable,
    UnsupportedPlatform,
    install_triton,
)
from inference.embedded_triton.platforms import check_platform
from inference.embedded_triton.slots import SHARED_MEMORY
from tests.engines import DEMO_CHAT, ROOT
from tests.triton.calls import chat, stream, text_of, wait_until


def shared_memory_of(server: EmbeddedTriton) -> list[Path]:
    """What `server` has in /dev/shm."""
    assert server._slot is not None
    return list(SHARED_MEMORY.glob(f"{server._slot.prefix}*"))


@pytest.fixture
def var_dir(tmp_path: Path) -> Path:
    """A VAR_DIR of its own that uses the repository's installed packages."""
    installed = install_triton(ROOT / "var").parent
    (tmp_path / "triton").mkdir()
    (tmp_path / "triton" / "venv").symlink_to(installed / "venv")
    return tmp_path


def test_two_servers_run_side_by_side_and_leave_nothing_in_shared_memory(var_dir: Path) -> None:
    with EmbeddedTriton(var_dir, models=DEMO_CHAT) as first, EmbeddedTriton(var_dir, models=DEMO_CHAT) as second:
        assert len({first.http_port, first.grpc_port, first.metrics_port, second.http_port, second.grpc_port}) == 5
        prefixes = [server._slot.prefix for server in (first, second) if server._slot]
        assert shared_memory_of(first)
        assert shared_memory_of(second)
        for server in (first, second):
            assert text_of(stream(server, chat('Say "here"'))) == "here"
        first.stop()
        assert text_of(stream(second, chat('Say "still here"'))) == "still here"
    assert len(prefixes) == 2
    assert not [path for prefix in prefixes for path in SHARED_MEMORY.glob(f"{prefix}*")]


def test_what_a_killed_server_left_is_removed(var_dir: Path) -> None:
    server = EmbeddedTriton(var_dir, models=DEMO_CHAT)
    server.start()
    server.wait_ready()
    left = shared_memory_of(server)
    assert left
    assert server.pid
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: server.poll() is not None)
    assert any(path.exists() for path in left)
    server.stop()
    assert not any(path.exists() for path in left)


def command(var_dir: Path, *arguments: str) -> subprocess.Popen[str]:
    """`manage.py triton`, once it is ready."""
    environment = {**os.environ, "VAR_DIR": str(var_dir), "DATABASE_URL": "", "REDIS_URL": ""}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "triton", "--model", "demo-chat", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        if "ready on" in line:
            return process
    raise AssertionError(f"never ready, ended with {process.wait()}")


def server_pid(process: subprocess.Popen[str]) -> int:
    """The tritonserver below `process`."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0])


def test_command_stops_on_sigterm_with_status_zero(var_dir: Path) -> None:
    process = command(var_dir)
    port = int((var_dir / "triton" / "http-port").read_text())
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        prefix = (var_dir / "triton" / "servers" / "0" / "shm-prefix").read_text()
    started = time.monotonic()
    process.terminate()
    assert process.wait(timeout=15) == 0
    assert time.monotonic() - started < 10
    assert not list(SHARED_MEMORY.glob(f"{prefix}*"))
    assert not (var_dir / "triton" / "http-port").exists()


def test_command_says_so_when_the_server_ends_by_itself(var_dir: Path) -> None:
    process = command(var_dir)
    os.kill(server_pid(process), signal.SIGKILL)
    output, _ = process.communicate(timeout=15)
    assert process.returncode == 1
    assert "The embedded Triton ended by itself" in output


@pytest.mark.faults
def test_server_ends_with_a_killed_command_and_the_next_start_cleans_up(var_dir: Path) -> None:
    process = command(var_dir)
    child = server_pid(process)
    prefix = (var_dir / "triton" / "servers" / "0" / "shm-prefix").read_text()
    process.kill()
    process.wait()
    wait_until(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text())
    with EmbeddedTriton(var_dir, models=DEMO_CHAT):
        assert not list(SHARED_MEMORY.glob(f"{prefix}*"))


def test_log_holds_nothing_of_a_request(var_dir: Path) -> None:
    canary = "kingfisher7391"
    with EmbeddedTriton(var_dir, models=DEMO_CHAT) as server:
        assert canary in text_of(stream(server, chat(f'Say "{canary}"')))
        for broken in ({"stop": [canary, ""]}, {canary: 1}, {"temperature": canary}, {"lora_name": canary}):
            assert "error" in stream(server, chat(canary), broken)[-1]
        assert "error" in stream(server, chat(canary), sampling_parameters=f'{{"stop": "{canary}')[-1]
        assert "error" in stream(server, chat(f"[[fail=1]] {canary}"))[-1]
        assert server.log_path
        log = server.log_path
    assert "demo-chat" in log.read_text()
    written = [path for path in var_dir.rglob("*") if path.is_file() and not path.is_symlink()]
    assert written
    assert not [path for path in written if canary.encode() in path.read_bytes()]


def test_a_taken_port_is_one_clear_sentence(var_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TritonError, match=f"Port {port} of 127.0.0.1, wanted for the embedded Triton, is taken"):
            EmbeddedTriton(var_dir, http_port=port).start()


def test_a_model_that_does_not_load_is_named(var_dir: Path, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    (repository / "broken" / "1").mkdir(parents=True)
    (repository / "broken" / "config.pbtxt").write_text('backend: "python"\nmax_batch_size: 0\n')
    (repository / "broken" / "1" / "model.py").write_text("raise RuntimeError\n")
    server = EmbeddedTriton(var_dir, repository)
    server.start()
    with pytest.raises(TritonUnavailable, match="ended while starting"):
        server.wait_ready(30)
    assert server.pid is None


@pytest.mark.parametrize(("system", "machine"), [("Linux", "aarch64"), ("Darwin", "arm64"), ("Windows", "AMD64")])
def test_another_platform_is_told_the_way_out(monkeypatch: pytest.MonkeyPatch, system: str, machine: str) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(UnsupportedPlatform, match=rf"{system} on {machine}\. Set TRITON_URL="):
        check_platform()


@pytest.mark.parametrize("libc", ["glibc 2.31", "", None])
def test_an_old_c_library_is_told_the_way_out(monkeypatch: pytest.MonkeyPatch, libc: str | None) -> None:
    monkeypatch.setattr(os, "confstr", lambda name: libc)
    with pytest.raises(UnsupportedPlatform, match=r"needs glibc 2\.35 or newer.* Set TRITON_URL="):
        check_platform()
