"""Canaries: words that a customer sends in requests that go well, fail in every way, or are cut off by a crash."""

import os
import re
import signal
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx

from tests.live.asking import CHAT, bearer, call
from tests.live.engines import eventually
from tests.live.odd_requests import odd_requests, raw_requests, send_raw
from tests.stack import Server, Stack, wait_until_up

SIZES = {"context_length": 4096, "max_output_tokens": 2048, "default_output_tokens": 64}
ENGINE_FAULTS = (
    "refuses", "fails", "page", "garbage", "types", "bytes", "error", "cut", "endless", "head", "length",
)  # fmt: skip
# What they do when they meet a canary; without one they are good, or nobody could publish them.
TEMPLATES = {
    "raises": "{{ raise_exception(messages[-1].content) }}",
    "types": "{{ messages[-1].content + 5 }}",
    "missing": "{{ {}[messages[-1].content].more }}",
    "unsafe": "{{ messages[-1].content.__class__.mro() }}",
    "endless": "{% for i in range(99999999) %}{{ messages[-1].content }}{% endfor %}",
}
TEMPLATE = "{%% if 'canary' in messages[-1].content %%}%s{%% endif %%}{{ messages[-1].content }}"
PUBLISH = """
from inference.services import add_deployment, publish_model
for name, (url, fields) in {models!r}.items():
    model, _ = publish_model(actor="test", model_id=name, assets="demo-chat", **{sizes!r}, **fields)
    add_deployment(actor="test", name=name, model=model, url=url, triton_model="demo-chat")
"""


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


def plant(server: Server, stack: Stack, words: dict[str, str]) -> None:
    """Requests as programs send them, well and wrong."""

    def send(body: Any) -> int:
        return call(server, stack.api_key, json=body).status_code

    with ThreadPoolExecutor(6) as clients:
        assert {*clients.map(send, bodies(words))} == {200, 400, 404, 502}
    # A body that is no JSON, one of another type, and one without a good key.
    prompt = words["prompt"]
    as_json = {"content-type": "application/json"}
    assert call(server, stack.api_key, content=f"{{{prompt}", headers=as_json).status_code == 400
    assert call(server, stack.api_key, content=prompt, headers={"content-type": "text/plain"}).status_code == 415
    assert call(server, prompt, json=next(bodies(words))).status_code == 401


def plant_odd(server: Server, stack: Stack, word: str) -> None:
    """Requests as nobody should send them; none of them is more than a client's error."""

    def send(request: tuple[str, str, dict[str, str], bytes]) -> tuple[int, str]:
        method, path, headers, body = request
        what = f"{method} {path[:80]} {headers} {body[:120]!r} {body[-60:]!r}"
        try:
            answer = httpx.request(method, server.url + path, headers=headers, content=body, timeout=30)
        except httpx.TransportError as error:
            return 999, f"{what} {error!r}"
        return answer.status_code, f"{what} {answer.text[:500]}"

    with ThreadPoolExecutor(6) as clients:
        answers = list(clients.map(send, odd_requests(stack.api_key, word)))
        list(clients.map(lambda content: send_raw(server, content), raw_requests(stack.api_key, word)))
    assert [what for status, what in answers if status >= 500] == []
    seen = Counter(status for status, _ in answers)
    assert min(seen[200], seen[400], seen[401], seen[404]) > 3, seen


class EchoingEngine(BaseHTTPRequestHandler):
    """An engine that fails as its path says, and repeats the request in whatever it says."""

    def do_POST(self) -> None:
        """Fails."""
        body = self.rfile.read(int(self.headers["content-length"]))
        # Without what would end a frame, a header or a string.
        said = re.sub(rb'[\r\n"\\]', b" ", body)
        content = {
            "refuses": b'{"error":"%s"}' % said,
            "fails": b'{"error":"%s"}' % said,
            "page": b"<html>%s</html>" % body,
            "garbage": b"data: %s\n\n" % said,
            "types": b'data: {"text_output":{"%s":["%s"]},"finish_reason":"%s"}\n\n' % (said, said, said),
            "bytes": b'data: {"text_output":"%s\xff\xfe"}\n\n' % said,
            "error": b'data: {"text_output":"%s"}\n\ndata: {"error":"%s"}\n\n' % (said, said),
            "cut": b'data: {"text_output":"%s"}\n\ndata: {"text_ou%s' % (said, said),
            "endless": b"data: " + said * (2_000_000 // len(said)),
            "length": b'data: {"text_output":"%s"}\n\n' % said,
        }
        fault = self.path.split("/")[1]
        if fault == "head":
            self.wfile.write(b"%s\r\nx-%s: \xff\r\n\r\n" % (said, said))
            return
        self.send_response({"refuses": 400, "fails": 500}.get(fault, 200), said[:200].decode("ascii", "replace"))
        self.send_header("content-type", "text/html" if fault == "page" else "text/event-stream")
        if fault == "length":
            self.send_header("content-length", "100000")
        self.end_headers()
        self.wfile.write(content[fault])

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@contextmanager
def failing_models(stack: Stack) -> Iterator[list[str]]:
    """Models whose engine, template or patience fails; their ids, once every server knows them."""
    with ThreadingHTTPServer(("127.0.0.1", 0), EchoingEngine) as engine:
        Thread(target=engine.serve_forever, daemon=True).start()
        mark = uuid.uuid4().hex[:8]
        url = f"http://127.0.0.1:{engine.server_port}"
        models: dict[str, tuple[str, dict[str, Any]]] = {
            **{f"engine-{fault}-{mark}": (f"{url}/{fault}", {}) for fault in ENGINE_FAULTS},
            **{
                f"template-{name}-{mark}": (stack.triton_url, {"chat_template": TEMPLATE % text})
                for name, text in TEMPLATES.items()
            },
            f"slow-to-begin-{mark}": (stack.triton_url, {"first_token_timeout": 1}),
            f"slow-to-go-on-{mark}": (stack.triton_url, {"first_token_timeout": 4, "idle_timeout": 1}),
            f"slow-to-end-{mark}": (stack.triton_url, {"total_timeout": 2}),
        }
        stack.manage("shell", "--no-imports", "-c", PUBLISH.format(models=models, sizes=SIZES))
        for server in stack.servers.values():
            eventually(lambda v1=server.v1: listed(v1, stack.api_key) >= {*models})
        try:
            yield list(models)
        finally:
            engine.shutdown()


def listed(v1: str, key: str) -> set[str]:
    """The ids of the models that a server offers."""
    return {model["id"] for model in httpx.get(f"{v1}/models", headers=bearer(key), timeout=30).json()["data"]}


def plant_failing(server: Server, stack: Stack, word: str, models: list[str]) -> None:
    """Requests that their engine or template fails, and says so in the words of the request, or that take too long."""
    late = {"slow-to-begin": "[[delay=20]]", "slow-to-go-on": "[[pace=0.5]]", "slow-to-end": "[[pace=5]] [[n=200]]"}

    def send(asked: tuple[str, bool]) -> tuple[str, httpx.Response]:
        model, stream = asked
        how = next((directive for name, directive in late.items() if model.startswith(name)), "")
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": f"{word} {how}"}]}
        return model, call(server, stack.api_key, json={**body, "max_tokens": 200})

    with ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(send, [(model, stream) for model in models for stream in (True, False)]))
    for model, answer in answers:
        failed = answer.status_code != 200 or b'"error"' in answer.content
        # An engine may end early without a word of it; what it said until then is an answer.
        assert failed or re.match("engine-(types|bytes|cut|length)", model), (model, answer.text[:500])
    assert {answer.status_code for _, answer in answers} >= {200, 400, 502, 504}


@contextmanager
def table_renamed(stack: Stack, table: str) -> Iterator[None]:
    """Takes a table of the database away."""
    rename = "from django.db import connection; connection.cursor().execute('ALTER TABLE {} RENAME TO {}')"
    names = [table, f"{table}_put_aside"]
    stack.manage("shell", "--no-imports", "-c", rename.format(*names))
    try:
        yield
    finally:
        stack.manage("shell", "--no-imports", "-c", rename.format(*reversed(names)))


def plant_in_spool(server: Server, stack: Stack, word: str) -> bytes:
    """Requests whose records the database does not take; what then lies in the spool."""
    body = {"model": "demo-chat", "messages": [{"role": "user", "content": f"{word} [[echo={word}]]"}]}
    with table_renamed(stack, "billing_usagerecord"):
        for stream in (True, False):
            assert call(server, stack.api_key, json={**body, "user": word, "stream": stream}).status_code == 200
        return b"".join(path.read_bytes() for path in (stack.var_dir / "spool").rglob("*") if path.is_file())


def plant_unexpected(server: Server, stack: Stack, word: str) -> None:
    """A request in whose midst something breaks that nobody reckons with."""
    key = stack.manage_json("issue_key", stack.organization, f"unknown yet {uuid.uuid4().hex[:8]}")["key"]
    body = {"model": "demo-chat", "messages": [{"role": "user", "content": word}]}
    with table_renamed(stack, "accounts_apikeysecret"):
        answer = call(server, key, path=f"{CHAT}?q={word}", json=body, headers={"x-word": word})
    assert answer.status_code in {500, 503}, answer.text


def plant_in_crash(stack: Stack, word: str, **env: str) -> dict[int, int]:
    """Streams in whose midst their process dies by a signal; what became of each, by signal (`si_code` of `waitid`)."""
    body = {"model": "demo-chat", "stream": True, "max_tokens": 400, "user": word}
    body["messages"] = [{"role": "user", "content": f"[[pace=20]] [[n=400]] [[echo={word}]]"}]
    outcomes = {}
    with ExitStack() as until_the_end:
        numbers = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT)
        servers = [until_the_end.enter_context(stack.launch(PYTHONFAULTHANDLER="1", **env)) for _ in numbers]
        for number, server in zip(numbers, servers, strict=True):
            outcomes[number] = crash_while_streaming(server, stack, body, number)
    return outcomes


def crash_while_streaming(server: Server, stack: Stack, body: dict, number: int) -> int:
    """One of them."""
    wait_until_up(server)
    whole = b""
    with httpx.stream("POST", server.url + CHAT, json=body, headers=bearer(stack.api_key), timeout=30) as answer:
        for line in answer.iter_lines():
            whole += line.encode()
            if whole.count(b"data: ") > 3:
                break
        server.process.send_signal(number)
        ended = os.waitid(os.P_PID, server.process.pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    assert ended.si_status == number
    return ended.si_code
