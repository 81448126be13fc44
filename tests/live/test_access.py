"""What a key may do: scopes, models, networks, visibility, and its end."""

import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.live.asking import HELLO, call, check
from tests.live.engines import eventually
from tests.live.pages import revoking, signed_in
from tests.live.test_usage import make_key
from tests.stack import Server

pytestmark = pytest.mark.live


def chat(server: Server, key: str, model: str = "demo-chat") -> httpx.Response:
    return call(server, key, json={"model": model, "messages": HELLO, "max_tokens": 2})


def forbidden(answer: httpx.Response, code: str, param: str | None = None) -> None:
    check(answer, 403, "permission_error", code, param)


def test_a_key_without_the_scope_is_refused(server, stack):
    forbidden(chat(server, make_key(stack, "--scope", "models")), "missing_scope")


def test_a_key_for_another_model_or_class_is_refused(server, stack):
    forbidden(chat(server, make_key(stack, "--model", "another")), "model_not_allowed", "model")
    forbidden(chat(server, make_key(stack, "--model-class", "premium")), "model_not_allowed", "model")
    assert chat(server, make_key(stack, "--model", "demo-chat", "--model-class", "standard")).status_code == 200


def test_a_model_that_a_key_may_not_use_is_not_listed_for_it(server, stack):
    key = make_key(stack, "--model", "another")
    listed = httpx.get(f"{server.v1}/models", headers={"authorization": f"Bearer {key}"}).json()
    assert listed == {"object": "list", "data": []}


def test_a_key_for_another_network_is_refused(server, stack):
    forbidden(chat(server, make_key(stack, "--network", "198.51.100.0/24")), "address_not_allowed")
    assert chat(server, make_key(stack, "--network", "127.0.0.0/8")).status_code == 200


def test_behind_a_trusted_proxy_the_forwarded_address_counts(stack):
    key = make_key(stack, "--network", "198.51.100.0/24")
    with stack.serve(TRUSTED_PROXIES="127.0.0.1/32") as server:

        def through(addresses: str) -> httpx.Response:
            return call(server, key, "GET", "/v1/models", headers={"x-forwarded-for": addresses})

        assert through("198.51.100.7").status_code == 200
        forbidden(through("198.51.100.7, 192.0.2.1"), "address_not_allowed")


def test_an_expired_key_is_refused(uvicorn, stack):
    server = uvicorn
    begin = datetime.now(UTC)
    make_key(stack)
    # Making the next one takes about as long.
    soon = datetime.now(UTC) + 2 * (datetime.now(UTC) - begin) + timedelta(seconds=2)
    key = make_key(stack, "--expires", soon.isoformat())
    assert chat(server, key).status_code == 200
    eventually(lambda: chat(server, key).status_code == 401, seconds=30)
    assert datetime.now(UTC) >= soon
    check(chat(server, key), 401, "invalid_request_error", "invalid_api_key")


def test_a_model_that_is_granted_to_others_does_not_exist(server, stack):
    model = f"private-{uuid.uuid4().hex[:8]}"
    sizes = ("--context-length", "4096", "--max-output-tokens", "64", "--default-output-tokens", "64")
    stack.manage("publish_model", model, "--visibility", "granted", "--assets", "demo-chat", *sizes)
    url = stack.triton_url
    stack.manage("add_deployment", model, "--model", model, "--url", url, "--triton-model", "demo-chat")
    check(chat(server, stack.api_key, model), 404, "invalid_request_error", "model_not_found", "model")
    stack.manage("publish_model", model, "--grant", stack.organization)
    eventually(lambda: chat(server, stack.api_key, model).status_code == 200)


def test_a_revoked_key_is_refused_at_once_in_this_process(server, stack):
    made = stack.manage_json("issue_key", stack.organization, f"short-lived {uuid.uuid4().hex[:8]}")
    assert chat(server, made["key"]).status_code == 200
    with closing(signed_in(server, stack.customer)) as browser:
        answer = revoking(browser, stack, made["public_id"])()
        assert answer.status_code == 200, answer.text
    check(chat(server, made["key"]), 401, "invalid_request_error", "invalid_api_key")
