"""Helpers for settings that are read by a process of its own."""

import subprocess
import sys

import pytest

from tests.engines import ROOT, plain_environment


@pytest.fixture
def manage(tmp_path):
    """Runs `manage.py` with the given settings and nothing else, on an empty `VAR_DIR`."""

    def run(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=plain_environment() | {"VAR_DIR": str(tmp_path / "var")} | env,
            capture_output=True,
            text=True,
            check=False,
        )

    return run
