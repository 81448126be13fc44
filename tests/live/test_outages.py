"""What a client is told while the database does not do its part, and an engine that refuses the gateway."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from accounts.keys import PUBLIC_ID_LENGTH, compose_key
from tests.live.asking import HELLO, ask, call, check, check_broken_stream
from tests.live.engines import eventually, measure
from tests.live.test_faults import publish
from tests.live.test_usage import record
from tests.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.faults]

NO_DATABASE = {
    "DATABASE_URL": "postgres://nobody:canary@127.0.0.1:9/none",
    "SECRET_KEY": "s" * 50,
    "TOKEN_SIGNING_KEY": "t" * 50,
    "ALLOWED_HOSTS": "127.0.0.1",
}


@pytest.mark.parametrize("name", ["uvicorn", "daphne"])
def test_without_the_database_a_key_that_is_not_known_yet_cannot_be_checked(stack, name):
    with stack.serve(name, API_KEY_PEPPER=stack.pepper, **NO_DATABASE) as server:
        begin = time.monotonic()
        answer = call(server, stack.api_key, json={"model": "demo-chat", "messages": HELLO})
        assert time.monotonic() - begin < 6.0
        error = check(answer, 503, "server_error", "authentication_unavailable")
        assert "canary" not in error["message"]
        # What is no key at all needs no database, and neither does one of somebody's own making.
        for wrong in ("sk-wrong", compose_key("sk-hanse-", "A" * PUBLIC_ID_LENGTH, 1)):
            check(call(server, wrong, json={}), 401, "invalid_request_error", "invalid_api_key")


@contextmanager
def records_table_gone(stack: Stack) -> Iterator[None]:
    """The installation's database takes no usage records."""
    rename = "from django.db import connection; connection.cursor().execute('ALTER TABLE {} RENAME TO {}')"
    names = ["billing_usagerecord", "usage_put_aside"]
    stack.manage("shell", "--no-imports", "-c", rename.format(*names))
    try:
        yield
    finally:
        stack.manage("shell", "--no-imports", "-c", rename.format(*reversed(names)))


@contextmanager
def spool_blocked(stack: Stack) -> Iterator[None]:
    """No process of the installation can make a spool: a file is where its folder has to be."""
    place, aside = stack.var_dir / "spool", stack.var_dir / "spool-put-aside"
    if place.exists():
        place.rename(aside)
    place.write_text("")
    try:
        yield
    finally:
        place.unlink()
        if aside.exists():
            aside.rename(place)


def test_where_nothing_can_be_recorded_no_answer_ends_well_and_none_begins(stack, triton):
    # Slow to begin, so that all are under way when the first finds out.
    body = {"model": "demo-chat", "messages": ask("[[n=5]] [[delay=1]]")}
    servers = list(stack.servers.values())

    def ask_for(stream: bool) -> list:
        return [waiting.submit(call, server, stack.api_key, json={**body, "stream": stream}) for server in servers]

    for server in servers:
        assert call(server, stack.api_key, json=body).status_code == 200
    with records_table_gone(stack), spool_blocked(stack), ThreadPoolExecutor(2 * len(servers)) as waiting:
        whole, streamed = ask_for(False), ask_for(True)
        for answer in whole:
            error = check(answer.result(), 503, "server_error", "metering_unavailable")
            assert "usage_put_aside" not in error["message"]
        for answer in streamed:
            assert check_broken_stream(answer.result(), "server_error", "metering_unavailable")
        before = measure(triton.metrics_url, "demo_chat_requests_total")
        for refused in (*ask_for(False), *ask_for(True)):
            begin = time.monotonic()
            check(refused.result(), 503, "server_error", "metering_unavailable")
            assert time.monotonic() - begin < 1
        assert measure(triton.metrics_url, "demo_chat_requests_total") == before
    for server in servers:
        eventually(lambda server=server: call(server, stack.api_key, json=body).status_code == 200)
        answer = call(server, stack.api_key, json=body)
        assert record(server, stack, answer.headers["x-request-id"])["outcome"] == "completed"


class Refusing(BaseHTTPRequestHandler):
    """An engine behind a proxy that does not know the gateway's secret."""

    def do_POST(self) -> None:
        """Refuses."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(401)
        self.send_header("content-length", "14")
        self.end_headers()
        self.wfile.write(b"secret: canary")

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


def test_an_engine_that_refuses_the_gateways_secret_is_no_fault_of_the_clients_key(server, stack):
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as engine:
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        model = publish(stack, f"http://127.0.0.1:{engine.server_port}")
        for stream in (False, True):
            answer = call(server, stack.api_key, json={"model": model, "messages": HELLO, "stream": stream})
            # As if it were down: another deployment may know it.
            error = check(answer, 503, "server_error", "server_is_overloaded")
            assert "canary" not in error["message"]
        engine.shutdown()
