"""Zero data retention: what was asked and answered is found nowhere afterwards."""

import contextlib
import os
import resource
import secrets
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import httpx
import psutil
import psycopg
import pytest
import redis

from tests.engines import ROOT
from tests.live.asking import call
from tests.live.engines import eventually
from tests.live.planting import (
    failing_models,
    plant,
    plant_failing,
    plant_in_crash,
    plant_in_spool,
    plant_odd,
    plant_unexpected,
)
from tests.live.planting_completions import plant_completions
from tests.live.planting_images import plant_images
from tests.live.planting_responses import plant_responses
from tests.live.planting_tensors import plant_tensors
from tests.live.planting_tools import plant_tools
from tests.live.searching import command_and_environment, contents, hidden, temporary, value_of
from tests.relay import relayed
from tests.stack import Server, Stack

pytestmark = [pytest.mark.live, pytest.mark.faults, pytest.mark.timeout(300)]

FIELDS = ("prompt", "system", "completion", "user", "metadata", "stop", "name", "unknown")


@pytest.fixture(scope="module")
def started() -> float:
    """Unix seconds, before the first canary; less what a file system's clock may lag behind."""
    return time.time() - 1


@pytest.fixture(scope="module")
def control(stack: Stack) -> dict[str, str]:
    """A word that is kept, as the name of a key: a search that does not find it would find no canary either."""
    word = f"control{secrets.token_hex(12)}"
    stack.manage("issue_key", stack.organization, word)
    return {"control": word}


@pytest.fixture(scope="module")
def tasks_done(stack: Stack, canaries: dict[str, str], worker: None) -> None:
    """The worker has had its tasks after the canaries, through the broker of this lane."""
    before = rolled_up(stack)
    stack.manage("shell", "--no-imports", "-c", "from billing.tasks import roll_up_usage; roll_up_usage.delay()")
    eventually(lambda: rolled_up(stack) > before, seconds=30)


def rolled_up(stack: Stack) -> int:
    """How many requests the sums know of."""
    answer = call(stack.servers["uvicorn"], stack.api_key, "GET", "/v1/usage")
    return sum(row["requests"] for row in answer.json()["data"])


@pytest.fixture(scope="module")
def unlimited() -> Iterator[None]:
    """What is started now may write core files of any size, as after `ulimit -c unlimited`."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


@dataclass
class Planted:
    """The canaries, and what can be seen only while they are planted."""

    words: dict[str, str]
    spooled: bytes = b""
    to_database: bytes = b""
    to_redis: bytes = b""
    crashes: dict[int, int] = field(default_factory=dict)


@pytest.fixture(scope="module")
def planted(stack: Stack, started: float, control: dict[str, str], unlimited: None) -> Planted:
    """Unguessable words, sent in every field of requests that go well, that fail in every way, and in whose midst a
    process crashes; to servers as they are, and to one that tells all it can."""
    found = Planted({field: f"canary{secrets.token_hex(12)}" for field in FIELDS})
    word = found.words["prompt"]
    with failing_models(stack) as failing, overheard(stack, found) as talkative:
        servers = [*stack.servers.values(), talkative]
        with ThreadPoolExecutor(len(servers)) as each:
            list(each.map(lambda server: plant(server, stack, found.words), servers))
            list(each.map(lambda server: plant_odd(server, stack, word), servers))
        plant_completions(talkative, stack, found.words)
        plant_responses(talkative, stack, found.words)
        plant_images(talkative, stack, found.words)
        plant_tools(talkative, stack, found.words)
        plant_tensors(talkative, stack, found.words)
        plant_failing(talkative, stack, word, failing)
        plant_unexpected(talkative, stack, word)
        found.spooled = plant_in_spool(talkative, stack, word)
    found.crashes = plant_in_crash(stack, word)
    return found


@contextmanager
def overheard(stack: Stack, found: Planted) -> Iterator[Server]:
    """A server that logs all it can, and whose every byte to PostgreSQL and Redis is kept."""
    env = {"DEBUG": "1", "LOG_LEVEL": "DEBUG", "PYTHONASYNCIODEBUG": "1", "PYTHONDEVMODE": "1"}
    with ExitStack() as until_the_end:
        if stack.database_url:
            # Encrypted, nothing could be overheard.
            to_database, env["DATABASE_URL"] = until_the_end.enter_context(
                relayed(stack.database_url, sslmode="disable")
            )
            to_redis, env["REDIS_URL"] = until_the_end.enter_context(relayed(stack.redis_url))
        yield until_the_end.enter_context(stack.serve(**env))
        if stack.database_url:
            found.to_database, found.to_redis = bytes(to_database.sent), bytes(to_redis.sent)


@pytest.fixture(scope="module")
def canaries(planted: Planted) -> dict[str, str]:
    """What was planted, by the field that it was planted in."""
    return planted.words


def test_a_client_that_hangs_up_leaves_nothing_either(stack, canaries):
    headers = {"authorization": f"Bearer {stack.api_key}"}
    body = {"model": "demo-chat", "stream": True}
    body["messages"] = [{"role": "user", "content": f"[[pace=20]] [[n=200]] {canaries['prompt']}"}]
    for server in stack.servers.values():
        with httpx.stream("POST", f"{server.v1}/chat/completions", json=body, headers=headers) as answer:
            next(answer.iter_lines())


def test_nothing_is_in_any_file(stack, canaries, control, tasks_done):
    found = {path: hidden(content, canaries) for path, content in contents(stack.var_dir)}
    assert any(path.suffix == ".log" for path in found)
    assert stack.redis_url or (stack.var_dir / "celery" / "queue").is_dir()
    assert {path: hits for path, hits in found.items() if hits} == {}


def test_what_is_kept_is_found_in_files(stack, control):
    key = {"key": stack.api_key}
    assert {path.name for path, content in contents(stack.var_dir) if hidden(content, key)} == {"api-key"}
    if not stack.database_url:
        databases = {path.name for path, content in contents(stack.var_dir) if hidden(content, control)}
        assert any(name.startswith("hanse.sqlite3") for name in databases)


def test_nothing_is_in_temporary_files(stack, canaries, started, tasks_done):
    assert {path: hits for path, text in temporary(since=started) if (hits := hidden(text, canaries))} == {}


def test_what_is_kept_is_found_in_temporary_files(canaries, started):
    word = f"control{secrets.token_hex(12)}"
    with tempfile.NamedTemporaryFile(prefix="hanse-control-") as file:
        file.write(word.encode())
        file.flush()
        found = [str(path) for path, text in temporary(since=started) if hidden(text, {"control": word})]
    assert found == [file.name]


def test_nothing_is_in_tritons_log(triton, canaries):
    log = triton.log_path.read_bytes()
    assert hidden(log, canaries) == []
    assert hidden(log, {"control": "demo-chat"}) == ["control"]


def test_nothing_is_in_postgresql(stack, canaries, control, tasks_done):
    if not stack.database_url:
        pytest.skip("This lane's database is a file, which the files' test reads.")
    kept = set()
    with psycopg.connect(stack.database_url) as connection:
        tables = connection.execute(
            "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        assert len(tables) > 10
        for (table,) in tables:
            rows = connection.execute(f"SELECT row::text FROM {table} AS row").fetchall()  # noqa: S608
            content = "\n".join(text for (text,) in rows).encode()
            assert hidden(content, canaries) == [], table
            if hidden(content, control):
                kept.add(table)
    assert "accounts_apikey" in kept


def test_nothing_is_in_redis(stack, canaries, control, tasks_done):
    if not stack.redis_url:
        pytest.skip("This lane has no Redis.")
    word = control["control"]
    # Longer than what Redis may compress when it dumps a value.
    keep = f"from django.core.cache import cache; cache.set('control', '{word * 20}', 600)"
    stack.manage("shell", "--no-imports", "-c", keep)
    kept = []
    with redis.Redis.from_url(stack.redis_url) as client:
        for key in client.scan_iter():
            content = key + value_of(client, key)
            assert hidden(content, canaries) == [], key
            kept += [key] if hidden(content, control) else []
        assert len(kept) == 1
        client.delete(*kept)


def test_nothing_is_among_the_processes_arguments(stack, triton, canaries, worker):
    # Triton and its stubs, web servers, the worker, `manage.py`: this process has started them all.
    seen = {}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            seen[process.pid] = command_and_environment(process.pid)
    assert triton.pid in seen
    assert {pid: hits for pid, content in seen.items() if (hits := hidden(content, canaries))} == {}
    for marker in ("tritonserver", "triton_python_backend_stub", "config.serve", "daphne", "celery"):
        assert [pid for pid, content in seen.items() if hidden(content, {"control": marker})], marker
    if os.geteuid() == 0:
        for server in stack.servers.values():
            assert hidden(seen[server.process.pid], {"control": str(stack.var_dir)}) == ["control"]


def test_nothing_is_in_the_spool(planted):
    assert hidden(planted.spooled, planted.words) == []
    assert hidden(planted.spooled, {"control": "demo-chat"}) == ["control"]


def test_nothing_was_ever_sent_to_postgresql_or_redis(stack, planted):
    if not stack.database_url:
        pytest.skip("This lane has neither.")
    # Whatever either writes of what it gets, in logs of statements too, it had to get first.
    assert hidden(planted.to_database, planted.words) == []
    assert hidden(planted.to_database, {"control": "demo-chat"}) == ["control"]
    assert hidden(planted.to_redis, planted.words) == []
    assert hidden(planted.to_redis, {"control": "changes"}) == ["control"]


def test_a_crash_leaves_a_journal_and_no_core_dump(stack, planted):
    assert planted.crashes == dict.fromkeys(planted.crashes, os.CLD_KILLED)
    assert len(planted.crashes) == 3
    assert list(ROOT.glob("core*")) == []
    logs = b"".join(path.read_bytes() for path in stack.log_dir.iterdir())
    for said in (b"Segmentation fault", b"Aborted"):
        assert b"Fatal Python error: " + said in logs, "the search had something to find"
    assert [path for path in (stack.var_dir / "journal").rglob("*.jsonl") if path.stat().st_size]


def test_those_who_tell_all_they_can_told_something(planted, stack):
    logs = b"".join(path.read_bytes() for path in stack.log_dir.iterdir())
    for event in (b'"level":"debug"', b'"event":"request_failed"', b'"exception":'):
        assert event in logs
