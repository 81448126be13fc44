"""Where npm does not answer, clients are left out; where our own files are wrong, that is a failure."""

import json
import shutil
from pathlib import Path

import pytest

from tests.clients import npm
from tests.engines import free_port

PROGRAMS = Path(npm.__file__).parent / "node"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The programs' packages, with a registry that nobody serves and nothing kept from earlier."""
    try:
        npm.check_node()
    except npm.NpmUnavailable as reason:
        pytest.skip(str(reason))
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{free_port()}/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PROGRAMS / name, tmp_path)
    return tmp_path


def test_a_registry_that_does_not_answer_is_told(folder: Path) -> None:
    with pytest.raises(npm.NpmUnavailable, match="ECONNREFUSED"):
        npm.npm_ci(folder)


def test_a_lock_that_is_missing_is_a_failure(folder: Path) -> None:
    (folder / "package-lock.json").unlink()
    with pytest.raises(RuntimeError, match="EUSAGE"):
        npm.npm_ci(folder)


def test_node_that_is_missing_or_old_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(npm.NpmUnavailable, match="not installed"):
        npm.check_node()
    for name, says in {"node": "v18.19.1", "npm": "10"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\necho {says}\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(npm.NpmUnavailable, match=r"newer, not v18\.19\.1"):
        npm.check_node()


def test_the_lock_fits_and_names_no_registry() -> None:
    packages = json.loads((PROGRAMS / "package-lock.json").read_text())["packages"]
    assert packages[""]["dependencies"] == json.loads((PROGRAMS / "package.json").read_text())["dependencies"]
    assert {*packages} == {"", "node_modules/openai", "node_modules/zod"}
    for name, package in packages.items():
        assert "resolved" not in package
        assert ("integrity" in package) == bool(name)
