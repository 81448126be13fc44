"""Clients written for Node: their packages from npm, and their programs."""

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.engines import ROOT

INSTALLED = ROOT / "var" / "clients"
SECONDS = 90
# What is wrong with our own files is no silence of npm's.
OUR_MISTAKES = {"EUSAGE", "EINTEGRITY", "EJSONPARSE"}


class NpmUnavailable(Exception):
    """There is no Node or no npm that is new enough, or the registry does not answer; the text says which."""


def install(folder: Path) -> Path:
    """The `node_modules` that `folder`'s lock asks for, below var/; npm is asked once for each state of the lock.

    Raises `NpmUnavailable`; `RuntimeError` with npm's words where `folder` itself is at fault.
    """
    target = INSTALLED / folder.name
    target.mkdir(parents=True, exist_ok=True)
    done = target / "installed"
    with (INSTALLED / f"{folder.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        check_node()
        wanted = (folder / "package-lock.json").read_text()
        if not ((target / "node_modules").is_dir() and done.is_file() and done.read_text() == wanted):
            done.unlink(missing_ok=True)
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(folder / name, target)
            npm_ci(target)
            done.write_text(wanted)
    return target / "node_modules"


def check_node() -> None:
    """Raises `NpmUnavailable` without Node 20.15 and an npm beside it."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NpmUnavailable("Node and npm are not installed.")
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    version = re.fullmatch(r"v(\d+)\.(\d+)\..+", told)
    if version is None or (int(version[1]), int(version[2])) < (20, 15):
        raise NpmUnavailable(f"The clients need Node 20.15 or newer, not {told or 'one that does not start'}.")


def npm_ci(folder: Path) -> None:
    """Installs exactly what the lock says. Raises as `install` does."""
    patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-timeout=20000"]
    command = ["npm", "ci", "--ignore-scripts", *patience]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise NpmUnavailable(f"npm did not answer within {SECONDS} s.") from None
    if done.returncode == 0:
        return
    code = re.search(r"^npm error code (\S+)", done.stderr, re.MULTILINE)
    if code and code[1] in OUR_MISTAKES:
        raise RuntimeError(f"npm ci: {done.stderr}")
    raise NpmUnavailable(f"npm does not answer: {code[1] if code else done.stderr[-200:].strip()}.")


def run(program: Path, node_modules: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The end of a program of node:test; its output is TAP."""
    return subprocess.run(
        ["node", "--test-reporter=tap", program.name],
        cwd=program.parent,
        env=os.environ | {"NODE_PATH": str(node_modules)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
