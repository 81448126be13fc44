"""Fixtures of the whole suite: the embedded Triton, a running stack on it, and OpenAI's SDK as its client.

`stack` and everything above it are made once a session (and once a worker of xdist); tests share them, so they make
keys, organizations and models of their own where they change any. `DJANGO` tests without them use pytest-django's `db`.
"""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import openai
import pytest

from inference.embedded_triton import EmbeddedTriton
from tests.engines import ROOT
from tests.lane import SCRATCH
from tests.stack import Server, Stack, start_stack

# Chromium from the distribution; the flags keep it from calling home, and let root start it.
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Started first when several workers share the work, so that none of these is what the others wait for at the end.
LONG = (
    "tests/live/test_up.py",
    "tests/live/test_faults.py",
    "tests/live/test_canaries.py",
    "tests/live/test_killed.py",
    "tests/live/test_database_gone.py",
    "tests/live/test_outages.py",
    "tests/browser/",
    "tests/live/test_openapi.py",
    "tests/triton/",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Puts the files that take long first, for xdist."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: next((rank for rank, name in enumerate(LONG) if name in str(item.path)), len(LONG)))


@pytest.fixture(scope="session")
def scratch() -> Path:
    """This worker's own folder; removed after the run."""
    folder = Path(os.environ[SCRATCH]) / os.environ.get("PYTEST_XDIST_WORKER", "main")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def lane() -> str:
    """`embedded` or `servers`."""
    return "servers" if os.environ["HANSE_TEST_DATABASE_URL"] else "embedded"


@pytest.fixture(scope="session")
def triton() -> Iterator[EmbeddedTriton]:
    """A real Triton with the demo models; installed once under the repository's var/."""
    with EmbeddedTriton(ROOT / "var", environment={"DEMO_CHAT_TOKENS_PER_SECOND": "2000"}) as server:
        yield server


@pytest.fixture(scope="session")
def stack(scratch: Path, triton: EmbeddedTriton) -> Iterator[Stack]:
    """A seeded installation on the lane's engines, served by uvicorn and by Daphne at once."""
    with start_stack(scratch / "stack", triton.url) as running:
        yield running


@pytest.fixture(params=["uvicorn", "daphne"])
def server(request: pytest.FixtureRequest, stack: Stack) -> Server:
    """The stack's web servers, one after the other."""
    return stack.servers[request.param]


@pytest.fixture(scope="session")
def uvicorn(stack: Stack) -> Server:
    """The stack's production server, for what does not depend on it."""
    return stack.servers["uvicorn"]


@pytest.fixture
def client(server: Server, stack: Stack) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK with the demo key; it never tries again, so that a test sees every error."""
    with openai.OpenAI(base_url=server.v1, api_key=stack.api_key, max_retries=0, timeout=60) as sdk:
        yield sdk


@pytest.fixture
async def async_client(server: Server, stack: Stack) -> AsyncIterator[openai.AsyncOpenAI]:
    """The same, async."""
    async with openai.AsyncOpenAI(base_url=server.v1, api_key=stack.api_key, max_retries=0, timeout=60) as sdk:
        yield sdk


@pytest.fixture(scope="session")
def worker(stack: Stack) -> Iterator[None]:
    """A Celery worker on the stack."""
    with stack.work():
        yield


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser; `make test` installs it where it can."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is not installed.")
        pytest.skip("Chromium is not installed.")
    return path
