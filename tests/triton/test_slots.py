"""Shared memory of servers that nobody can end in order any more."""

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.embedded_triton.slots import GRACE_SECONDS, SHARED_MEMORY, is_alive, take_slot


@pytest.fixture
def dead() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.fixture
def region() -> Iterator["Region"]:
    maker = Region()
    yield maker
    for path in maker.made:
        path.unlink(missing_ok=True)


class Region:
    """Makes files in /dev/shm under the names that a server gives them."""

    def __init__(self) -> None:
        self.made: list[Path] = []

    def __call__(self, owner: object, age: float) -> Path:
        path = SHARED_MEMORY / f"hanse-{owner}-{secrets.token_hex(4)}-region"
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
        self.made.append(path)
        return path


def test_start_removes_what_killed_runs_with_another_folder_left(tmp_path: Path, region: Region, dead: int) -> None:
    left = [region(dead, GRACE_SECONDS + 5), region(dead, 86_400)]
    take_slot(tmp_path).release()
    assert not any(path.exists() for path in left)


def test_start_leaves_alone_what_may_be_in_use(tmp_path: Path, region: Region, dead: int) -> None:
    kept = [
        region(os.getpid(), 86_400),
        region(dead, GRACE_SECONDS - 30),
        region("somebody", 86_400),
        region(f"{dead}x", 86_400),
    ]
    take_slot(tmp_path).release()
    assert all(path.exists() for path in kept)


def test_slot_that_is_taken_keeps_its_own_however_old(tmp_path: Path, region: Region) -> None:
    with_region = take_slot(tmp_path)
    own = SHARED_MEMORY / f"{with_region.prefix}region"
    own.touch()
    region.made.append(own)
    os.utime(own, (0, 0))
    take_slot(tmp_path).release()
    assert own.exists()
    with_region.release()
    assert not own.exists()


def test_process_of_somebody_else_is_alive(dead: int) -> None:
    assert is_alive(1)
    assert is_alive(os.getpid())
    assert not is_alive(dead)
    assert not is_alive(10**30)
