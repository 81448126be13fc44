"""`tests/check_locks.py`, which `make check` runs."""

import pytest

from tests.check_locks import main, problems

WANTED = ["Django>=5.2.19,<5.3", "celery[redis]>=5.7,<6", "uvloop>=0.23; sys_platform != 'win32'"]
RUNTIME = ["-e .", "celery==5.7.0", "django==5.2.19", 'uvloop==0.23.1 ; sys_platform != "win32"']
DEVELOPMENT = ["-r requirements.txt", "ruff==0.17.5"]
LOCKS = {"requirements.txt": RUNTIME, "requirements-dev.txt": DEVELOPMENT}


def found(*, wanted: list[str] = WANTED, runtime: list[str] = RUNTIME) -> list[str]:
    return problems(wanted, LOCKS | {"requirements.txt": runtime}, *LOCKS)


def test_locks_of_this_repository_hold_what_pyproject_asks_for(capsys):
    assert main() == 0
    assert capsys.readouterr().err == ""


def test_lock_that_fulfils_every_requirement_has_no_problem():
    assert found() == []
    assert found(wanted=[*WANTED, "ruff>=0.17"]) == []


@pytest.mark.parametrize(
    ("added", "problem"),
    [
        ("msgspec>=0.22", "requirements-dev.txt does not pin msgspec."),
        ("celery>=5.8", "requirements-dev.txt pins celery==5.7.0, and pyproject.toml wants celery>=5.8."),
        ("ruff<0.17", "requirements-dev.txt pins ruff==0.17.5, and pyproject.toml wants ruff<0.17."),
    ],
)
def test_requirement_without_its_pin_is_named(added, problem):
    assert found(wanted=[*WANTED, added]) == [problem]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("httpx>=0.28", "requirements.txt has a line that pins no version: httpx>=0.28"),
        ("httpx @ https://host.example/httpx.whl", "requirements.txt has a line that pins no version: httpx @"),
        ("--index-url https://host.example/simple", "requirements.txt has a line that pins no version: --index-url"),
        ("Celery==5.7.1", "requirements.txt pins Celery a second time."),
    ],
)
def test_line_that_is_no_plain_pin_is_named(line, problem):
    (one,) = found(runtime=[*RUNTIME, line])
    assert one.startswith(problem)


def test_lock_without_its_head_is_named():
    assert found(runtime=RUNTIME[1:])[0] == "requirements.txt does not begin with “-e .”."
