"""Zero data retention: what was asked and answered is found nowhere afterwards."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from tests.stack import Server, Stack

pytestmark = pytest.mark.live

FIELDS = ("prompt", "system", "completion", "user", "metadata", "stop", "name", "unknown")


@pytest.fixture(scope="module")
def canaries(stack: Stack) -> dict[str, str]:
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


def test_nothing_is_in_any_file(stack, canaries):
    files = [path for path in stack.var_dir.rglob("*") if path.is_file()]
    assert any(path.suffix == ".log" for path in files)
    found = {
        str(path.relative_to(stack.var_dir)): hits for path in files if (hits := hidden(path.read_bytes(), canaries))
    }
    assert found == {}


def test_nothing_is_in_tritons_log(triton, canaries):
    assert hidden(triton.log_path.read_bytes(), canaries) == []


def test_nothing_is_in_postgresql(stack, canaries):
    if not stack.database_url:
        pytest.skip("This lane's database is a file, which the files' test reads.")
    with psycopg.connect(stack.database_url) as connection:
        tables = connection.execute(
            "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        assert len(tables) > 10
        for (table,) in tables:
            rows = connection.execute(f"SELECT row::text FROM {table} AS row").fetchall()  # noqa: S608
            assert hidden("\n".join(text for (text,) in rows).encode(), canaries) == [], table


def test_nothing_is_in_redis(stack, canaries):
    if not stack.redis_url:
        pytest.skip("This lane has no Redis.")
    with redis.Redis.from_url(stack.redis_url) as client:
        for key in client.scan_iter():
            assert hidden(key + (client.dump(key) or b""), canaries) == []


def test_nothing_is_among_the_processes_arguments(stack, canaries):
    for server in stack.servers.values():
        process = Path(f"/proc/{server.process.pid}")
        assert hidden((process / "cmdline").read_bytes() + (process / "environ").read_bytes(), canaries) == []


def hidden(content: bytes, canaries: dict[str, str]) -> list[str]:
    """The fields whose canary is in `content`."""
    return [field for field, word in canaries.items() if word.encode() in content]
