"""The Makefile: what it lists, and what it says where there is no Python for it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines import ROOT, plain_environment


def make(*arguments: str, cwd=ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", *arguments], cwd=cwd, env=plain_environment(), capture_output=True, text=True, check=False
    )


def test_help_lists_every_target():
    listed = re.findall(r"^make ([\w-]+) +\S", make("help").stdout, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert listed == phony[1].split()


@pytest.mark.parametrize("python", ["/bin/false", "/nowhere/python3"])
def test_without_a_new_enough_python_it_says_so_in_one_sentence(tmp_path, python):
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    done = make("-C", str(tmp_path), "up", f"PYTHON={python}")
    assert done.returncode == 2
    first, *rest = done.stderr.splitlines()
    assert first.startswith("Hanse needs Python 3.11 or newer")
    assert "PYTHON=" in first
    assert all(line.startswith("make: ***") for line in rest)
    assert not (tmp_path / ".venv").exists()


def test_venv_is_made_from_another_folder_and_in_a_path_with_spaces(tmp_path):
    folder = tmp_path / "a clone"
    folder.mkdir()
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    done = make("-C", str(folder), ".venv/bin/python", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Making .venv with Python 3." in done.stdout
    again = make("-C", str(folder), ".venv/bin/python", cwd=tmp_path)
    assert "up to date" in again.stdout


def pretend(folder: Path, name: str, version: str) -> None:
    """A Python called `name` that says it is `version`, and makes a `.venv` with its own name in it."""
    script = folder / name
    minor = version.split(".")[1]
    script.write_text(
        f"""#!/bin/sh
case "$1" in
-c) exec {sys.executable} -c 'import sys; sys.version_info = (3, {minor}, 1); exec(sys.argv[1])' "$2" ;;
--version) echo "Python {version}" ;;
*) {shutil.which("mkdir")} -p .venv/bin && echo {name} > .venv/bin/python ;;
esac
"""
    )
    script.chmod(0o755)


@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        ({"python3": "3.11.2"}, "python3"),
        ({"python3": "3.12.1", "python3.11": "3.11.2"}, "python3"),
        ({"python3": "3.13.5", "python3.11": "3.11.2"}, "python3.11"),
        ({"python3": "3.14.0", "python3.11": "3.11.2", "python3.12": "3.12.1"}, "python3.12"),
        ({"python3": "3.10.0", "python3.12": "3.12.1", "python3.13": "3.13.5"}, "python3.12"),
        ({"python3": "3.10.0", "python3.14": "3.14.0"}, "python3.14"),
        ({"python3": "3.13.5"}, "python3"),
    ],
)
def test_venv_is_made_with_a_python_that_triton_runs_on_where_there_is_one(tmp_path, pythons, taken):
    program = shutil.which("make")
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    path = tmp_path / "bin"
    path.mkdir()
    for name, version in pythons.items():
        pretend(path, name, version)
    env = plain_environment() | {"PATH": str(path)}
    done = subprocess.run(
        [program, ".venv/bin/python"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".venv" / "bin" / "python").read_text().strip() == taken
    assert done.stdout.strip() == f"Making .venv with Python {pythons[taken]} ..."
