"""The lane of a test run: which engines it uses. Loaded by pytest before Django (see pyproject.toml).

`DATABASE_URL` and `REDIS_URL` of the caller name servers, never what is on them. Everything else of the caller's
configuration is put aside, so that every run starts from the defaults.
"""

import os
import secrets
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.engines import redis_database, server_environment, setting_names, with_database

# One run's folder, shared by its xdist workers; each has a VAR_DIR of its own in it.
SCRATCH = "HANSE_TEST_SCRATCH"


def settle(until_the_end: ExitStack) -> None:
    """Gives this process the settings of its lane; `until_the_end` undoes what they need."""
    servers = {name: os.environ.get(name, "") for name in ("DATABASE_URL", "REDIS_URL")}
    if SCRATCH not in os.environ:
        os.environ[SCRATCH] = tempfile.mkdtemp(prefix="hanse-test-")
        until_the_end.callback(shutil.rmtree, os.environ[SCRATCH], ignore_errors=True)
    for name in setting_names():
        os.environ.pop(name, None)
    redis_url = until_the_end.enter_context(redis_database(servers["REDIS_URL"])) if servers["REDIS_URL"] else ""
    # Django's own runner makes and drops "test_" + this name; the name itself never exists.
    database = servers["DATABASE_URL"] and with_database(servers["DATABASE_URL"], f"hanse_{secrets.token_hex(6)}")
    var_dir = Path(os.environ[SCRATCH]) / os.environ.get("PYTEST_XDIST_WORKER", "main") / "var"
    os.environ.update(server_environment(database, redis_url), VAR_DIR=str(var_dir), ENV_FILE="")
    # What the fixtures start from: the servers themselves.
    os.environ.update({f"HANSE_TEST_{name}": url for name, url in servers.items()})


def pytest_unconfigure() -> None:
    """Leaves nothing of the run behind."""
    run.close()


run = ExitStack()
settle(run)
