"""The Makefile: what it lists, and what it says where there is no Python for it."""

import re
import shutil
import subprocess

import pytest

from tests.engines import ROOT, plain_environment


def make(*arguments: str, cwd=ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", *arguments], cwd=cwd, env=plain_environment(), capture_output=True, text=True, check=False
    )


def test_help_lists_every_target():
    listed = re.findall(r"^make (\w+) +\S", make("help").stdout, re.MULTILINE)
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
