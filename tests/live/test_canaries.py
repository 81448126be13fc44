"""Zero data retention: what was asked and answered is found nowhere afterwards."""

import contextlib
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
import redis

from tests.live.asking import call
from tests.live.engines import eventually
from tests.stack import Server, Stack

pytestmark = pytest.mark.live

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
def canaries(stack: Stack, started: float) -> dict[str, str]:
    """Unguessable words, sent in every field of requests that go well and that fail in every way."""
    words = {field: f"canary{secrets.token_hex(12)}" for field in FIELDS}
    for server in stack.servers.values():
        plant(server, stack, words)
    with stack.serve(LOG_LEVEL="DEBUG") as talkative:
        plant(talkative, stack, words)
    return words


def plant(server: Server, stack: Stack, words: dict[str, str]) -> None:
    statuses = {status for body in bodies(words) for status in [send(server, stack, body)]}
    assert statuses == {200, 400, 404, 502}
    # A body that is no JSON, one of another type, and one without a good key.
    url = f"{server.v1}/chat/completions"
    good = {"authorization": f"Bearer {stack.api_key}"}
    prompt = words["prompt"]
    assert (
        httpx.post(url, content=f"{{{prompt}", headers={**good, "content-type": "application/json"}).status_code == 400
    )
    assert httpx.post(url, content=prompt, headers={**good, "content-type": "text/plain"}).status_code == 415
    assert httpx.post(url, json=next(bodies(words)), headers={"authorization": f"Bearer {prompt}"}).status_code == 401


def bodies(words: dict[str, str]) -> Iterator[dict]:
    """Requests: well-formed ones, wrong ones with a canary as the wrong value, and ones that make the engine fail."""
    system = {"role": "system", "content": words["system"]}
    user = {"role": "user", "content": f"{words['prompt']} [[echo={words['completion']}]]", "name": words["name"]}
    base = {
        "model": "demo-chat",
        "messages": [system, user],
        "user": words["user"],
        "metadata": {"note": words["metadata"]},
        "stop": [words["stop"]],
        "unknown_field": {"deep": [words["unknown"]]},
    }
    yield base
    yield {**base, "stream": True}
    for directive in ("[[fail=0]]", "[[fail=2]]", "[[dry]]"):
        failing = {**user, "content": f"{words['prompt']} {directive}"}
        yield {**base, "messages": [system, failing]}
        yield {**base, "messages": [system, failing], "stream": True}
    yield {**base, "temperature": words["prompt"]}
    yield {**base, "messages": [{"role": words["prompt"], "content": words["prompt"]}]}
    yield {**base, "messages": [{"role": "user", "content": {words["prompt"]: 1}}]}
    yield {**base, "messages": [{"role": "user", "content": words["prompt"] * 20_000}]}
    yield {**base, "model": words["prompt"]}
    yield {**base, "chat_template_kwargs": {"messages": words["prompt"]}}


def send(server: Server, stack: Stack, body: dict) -> int:
    headers = {"authorization": f"Bearer {stack.api_key}"}
    return httpx.post(f"{server.v1}/chat/completions", json=body, headers=headers, timeout=60).status_code


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
    engine = psutil.Process(triton.pid)
    processes = {process.pid: process for process in [engine, *engine.children(recursive=True), *members(stack)]}
    seen = {pid: command_and_environment(pid) for pid in processes}
    assert {pid: hits for pid, content in seen.items() if (hits := hidden(content, canaries))} == {}
    for marker in ("tritonserver", "triton_python_backend_stub", "uvicorn", "daphne", "celery"):
        assert [pid for pid, content in seen.items() if hidden(content, {"control": marker})], marker
    for server in stack.servers.values():
        assert hidden(seen[server.process.pid], {"control": str(stack.var_dir)}) == ["control"]


def members(stack: Stack) -> Iterator[psutil.Process]:
    """Every process of the installation: web servers, the worker, `manage.py`."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get("VAR_DIR") == str(stack.var_dir):
                yield process


def command_and_environment(pid: int) -> bytes:
    """What anybody on the machine may read of a process."""
    return b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ", "comm"))


def contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below `folder` that can be read."""
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink():
                yield path, path.read_bytes()


def temporary(*, since: float) -> Iterator[tuple[Path, bytes]]:
    """The files in the folder for temporary ones that changed after `since` (Unix seconds), but for pytest's own."""
    for folder, names, files in os.walk(tempfile.gettempdir()):
        names[:] = [name for name in names if not name.startswith("pytest-of-")]
        for name in files:
            path = Path(folder, name)
            # Files of others come and go.
            with contextlib.suppress(OSError):
                found = path.lstat()
                if stat.S_ISREG(found.st_mode) and found.st_mtime >= since:
                    yield path, path.read_bytes()


def value_of(client: redis.Redis, key: bytes) -> bytes:
    """A key's value as it was put there; a dump may be compressed."""
    read = {
        b"string": lambda: [client.get(key) or b""],
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"hash": lambda: [part for pair in client.hgetall(key).items() for part in pair],
        b"none": list,
    }
    return b"\n".join(read[client.type(key)]())


def hidden(content: bytes, canaries: dict[str, str]) -> list[str]:
    """The fields whose canary is in `content`."""
    return [field for field, word in canaries.items() if word.encode() in content]
