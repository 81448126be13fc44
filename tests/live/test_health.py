"""`/healthz` and `/readyz` of running servers."""

import json
import time
import urllib.error
import urllib.request

import pytest

from tests.stack import start_stack

pytestmark = pytest.mark.live
NOBODY = "http://127.0.0.1:9"


def get(url, **headers):
    """Status, body and headers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as response:
            return response.status, json.load(response), response.headers
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), error.headers


def test_process_and_all_its_parts_are_well(server, lane):
    assert get(f"{server.url}/healthz")[:2] == (200, {"status": "ok"})
    status, body, headers = get(f"{server.url}/readyz")
    assert status == 200
    assert body["status"] == "ready"
    assert set(body["checks"].values()) == {"ok"}
    assert {"database", "deployments"} <= set(body["checks"])
    assert headers["Cache-Control"] == "no-store"


def test_probe_needs_no_known_host(server):
    assert get(f"{server.url}/healthz", Host="10.42.0.7:8000")[0] == 200
    assert get(f"{server.url}/readyz", Host="10.42.0.7:8000")[0] == 200


def test_redis_is_a_part_where_it_is_configured(uvicorn, stack):
    assert ("redis" in get(f"{uvicorn.url}/readyz")[1]["checks"]) is bool(stack.redis_url)


def test_without_a_healthy_deployment_it_is_not_ready_but_well(tmp_path):
    with start_stack(tmp_path, NOBODY, servers=("uvicorn",)) as lonely:
        url = lonely.base_urls["uvicorn"]
        status, body, _ = get(f"{url}/readyz")
        assert (status, body["status"], body["checks"]["deployments"]) == (503, "not ready", "failed")
        assert body["checks"]["database"] == "ok"
        assert get(f"{url}/healthz")[0] == 200
        for _ in range(5):
            get(f"{url}/readyz")
            time.sleep(0.3)
        log = (lonely.log_dir / next(lonely.log_dir.iterdir()).name).read_text()
    assert log.count('"not ready"') == 1, "a failing probe is logged once, not at every visit"


def test_without_redis_it_is_not_ready_and_tells_no_address(stack):
    with stack.serve(REDIS_URL="redis://127.0.0.1:9/0") as server:
        status, body, _ = get(f"{server.url}/readyz")
    assert status == 503
    assert body["checks"] == {"database": "ok", "deployments": "ok", "redis": "failed"}
    assert "127.0.0.1" not in json.dumps(body)


def test_without_the_database_it_is_not_ready_and_tells_no_address(stack):
    secrets = {name: name * 5 for name in ("SECRET_KEY", "API_KEY_PEPPER", "TOKEN_SIGNING_KEY")}
    nowhere = "postgres://nobody:canary@127.0.0.1:9/none"
    with stack.serve(DATABASE_URL=nowhere, ALLOWED_HOSTS="127.0.0.1", **secrets) as server:
        status, body, _ = get(f"{server.url}/readyz")
        assert get(f"{server.url}/healthz")[0] == 200
    assert status == 503
    assert body["checks"]["database"] == "failed"
    assert "canary" not in json.dumps(body)
    assert "canary" not in "".join(path.read_text() for path in stack.log_dir.iterdir())
