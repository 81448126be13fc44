"""Processes of their own on the test's database and VAR_DIR."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from tests.engines import ROOT, plain_environment, server_environment

BEGIN = """
import asyncio, os, sys, time
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
sys.path[:0] = [os.getcwd(), os.path.join(os.getcwd(), "platform")]
import django
django.setup()
from billing.metering import MeteringWriter, writer
from tests.billing.conftest import make_entry
"""


def environment(var: Path, redis_url: str = "") -> dict[str, str]:
    """Settings that lead to the database of this test."""
    database = connection.settings_dict
    if connection.vendor == "postgresql":
        secret = f":{database['PASSWORD']}" if database["PASSWORD"] else ""
        url = f"postgres://{database['USER']}{secret}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    else:
        url = f"sqlite:///{database['NAME']}"
    return {**plain_environment(), **server_environment(url, redis_url), "VAR_DIR": str(var)}


@contextmanager
def process(*command: str, env: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """`python …` from the root of the repository, its output to read; killed at the end."""
    running = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=env,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=1,
        pipesize=2**20,
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()
        assert running.stdout is not None
        running.stdout.close()


def python(script: str, var: Path) -> "subprocess.CompletedProcess[str]":
    """Runs a script after `BEGIN` to its end."""
    return subprocess.run(
        [sys.executable, "-c", BEGIN + script],
        cwd=ROOT,
        env=environment(var),
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )
