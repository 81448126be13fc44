"""Installs tritonserver from the nvidia-pytriton wheel, in a virtual environment of its own."""

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from inference.embedded_triton.errors import WAY_OUT, InstallFailed
from inference.embedded_triton.platforms import check_platform, find_python

# nvidia-pytriton 0.7.0 carries tritonserver 2.51.0 (24.10) and is the newest there is. Its declared dependencies are
# for the pytriton wrapper, which is not used: hence --no-deps. numpy must stay below 2, or the stub dies of every text
# tensor; that is also why the gateway's own environment will not do. The demo models count tokens with `tokenizers`
# and read and draw pictures with Pillow.
PINS = ("nvidia-pytriton==0.7.0", "numpy==1.26.4", "tokenizers==0.23.3", "pillow==13.0.0")
MARKER = "installed.json"


def install_triton(var_dir: Path, progress: Callable[[str], object] = print) -> Path:
    """Make `var_dir/triton/venv` hold the pinned packages and return its path; at once when it does already.

    `progress` receives a line for a person at each slow step. Safe to call from several processes at once: one
    installs, the others wait. An install that was cut off is done again. Raises `UnsupportedPlatform`, or
    `InstallFailed` with the last lines of pip's output.
    """
    check_platform()
    venv = var_dir.resolve() / "triton" / "venv"
    if _is_complete(venv):
        return venv
    python = find_python()
    venv.parent.mkdir(parents=True, exist_ok=True)
    with _lock(venv.parent / "install.lock", progress):
        if not _is_complete(venv):
            _install(venv, python, progress)
    return venv


def _is_complete(venv: Path) -> bool:
    try:
        installed = json.loads((venv / MARKER).read_text())
    except (OSError, ValueError):
        return False
    # The base Python may have been removed since: bin/python is a link to it.
    return bool(installed == {"pins": list(PINS)}) and (venv / "bin" / "python").exists()


def _install(venv: Path, python: str, progress: Callable[[str], object]) -> None:
    progress("Triton: making a virtual environment of its own ...")
    shutil.rmtree(venv, ignore_errors=True)
    _run([python, "-m", "venv", str(venv)])
    progress(f"Triton: installing {', '.join(PINS)} (about 90 MB to download) ...")
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--no-deps", "--no-input", "--only-binary=:all:"]
    _run([*pip, "--quiet", "--disable-pip-version-check", *PINS])
    # Last, and by rename: without it the next call starts over.
    draft = venv / f".{MARKER}.{os.getpid()}"
    draft.write_text(json.dumps({"pins": list(PINS)}))
    draft.rename(venv / MARKER)
    progress("Triton: installed.")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        tail = " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise InstallFailed(f"Triton could not be installed ({' '.join(command[1:4])}): {tail}. {WAY_OUT}")


@contextmanager
def _lock(path: Path, progress: Callable[[str], object]) -> Iterator[None]:
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("Triton: another process is installing it, waiting ...")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
