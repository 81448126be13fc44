"""`manage.py` that stays: `python -m tests.resident` runs a command for each line of JSON on standard input.

Starting Python and Django for every command would be most of what the live tests wait for.
"""

import contextlib
import io
import json
import subprocess
import sys
from typing import Any

from tests.engines import ROOT


class Resident:
    """The process, seen from a test run."""

    def __init__(self, env: dict[str, str]) -> None:
        """Starts it with this environment."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.resident"],
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, arguments: list[str]) -> "subprocess.CompletedProcess[str]":
        """Runs `manage.py` with these arguments."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "The resident manage.py has died."
        return subprocess.CompletedProcess(["manage.py", *arguments], **json.loads(answer))

    def end(self) -> None:
        """Ends it."""
        self._process.communicate(timeout=30)


def run(arguments: list[str]) -> dict[str, Any]:
    """One command: its status and what it printed."""
    from django.core.management import execute_from_command_line

    status = 0
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            execute_from_command_line(["manage.py", *arguments])
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        except Exception as error:  # noqa: BLE001
            status = 1
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
    return {"returncode": status, "stdout": out.getvalue(), "stderr": err.getvalue()}


def main() -> None:
    """Answers until standard input ends."""
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
