"""OpenAI's SDK for Node does through the whole stack what the one for Python does; skipped where npm does not answer.

The programs lie in `tests/clients/node`, one for each area. They take their server and key from the environment.
"""

import re
from pathlib import Path

import pytest

from tests.clients import npm
from tests.stack import Server, Stack

pytestmark = pytest.mark.live

PROGRAMS = Path(npm.__file__).parent / "node"
AREAS = ("chat", "tools", "responses", "completions", "embeddings", "images", "models")
# How streams and uploads travel is the server's doing.
ON_DAPHNE = ("chat", "responses", "images")


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """The SDK, installed."""
    try:
        return npm.install(PROGRAMS)
    except npm.NpmUnavailable as reason:
        pytest.skip(str(reason))


def test_every_program_is_run() -> None:
    assert {file.stem for file in PROGRAMS.glob("*.js")} == {*AREAS, "setup"}


@pytest.mark.parametrize(
    ("name", "area"), [*(("uvicorn", area) for area in AREAS), *(("daphne", area) for area in ON_DAPHNE)]
)
def test_the_sdk_for_node_does_it_all(stack: Stack, node_modules: Path, name: str, area: str) -> None:
    server: Server = stack.servers[name]
    done = npm.run(PROGRAMS / f"{area}.js", node_modules, OPENAI_BASE_URL=server.v1, OPENAI_API_KEY=stack.api_key)
    counts = dict(re.findall(r"^# (tests|pass) (\d+)$", done.stdout, re.MULTILINE))
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(counts["pass"]) == int(counts["tests"]) > 0
