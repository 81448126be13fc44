"""What operators see of deployments and do to them, in every web process."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.engines import free_port
from tests.live.asking import HELLO, bearer, call, check
from tests.live.engines import eventually, paced_engine
from tests.live.pages import signed_in, token
from tests.live.test_faults import publish

pytestmark = [pytest.mark.live, pytest.mark.faults]


def test_a_deployment_is_drained_by_hand_in_every_process_and_resumed(uvicorn, stack):
    server = uvicorn
    with paced_engine() as kept, paced_engine() as drained, ThreadPoolExecutor(8) as clients:
        model = publish(stack, kept.url, drained.url)
        operator = signed_in(server, stack.admin)
        page = page_of(operator, f"{model}-1")

        def now() -> str:
            return re.sub("<[^>]+>", " ", operator.get(f"{page}now/").text)

        slow = {"model": model, "messages": HELLO, "max_tokens": 60, "seed": 10, "stream": True}
        quick = slow | {"max_tokens": 2, "seed": 1000}
        running = [clients.submit(call, server, stack.api_key, json=slow) for _ in range(4)]
        eventually(lambda: (kept.counters["started"], drained.counters["started"]) == (2, 2))
        eventually(lambda: "healthy" in now())
        answer = operator.post(f"{page}drain/", data=token(operator.get(f"{page}change/")))
        assert answer.status_code == 200
        begun = last = time.monotonic()

        def gets_nothing() -> bool:
            nonlocal last
            before, asked = drained.counters["started"], time.monotonic()
            for other in stack.servers.values():
                for _ in range(3):
                    assert call(other, stack.api_key, json=quick).status_code == 200
            if drained.counters["started"] == before:
                return True
            last = asked
            return False

        eventually(gets_nothing)
        # Told through Redis; without it the other process reads the catalogue anew, in at most four seconds.
        assert last - begun < (1 if stack.redis_url else 4)
        assert "2 requests still under way" in now()
        assert [each.result().text.endswith("data: [DONE]\n\n") for each in running] == [True] * 4
        eventually(lambda: "drained" in now(), seconds=10)
        operator.post(f"{page}resume/", data=token(operator.get(f"{page}change/")))
        eventually(lambda: not gets_nothing())


def page_of(operator: httpx.Client, deployment: str) -> str:
    """The beginning of the paths of a deployment's pages in the admin."""
    rows = operator.get("/admin/inference/deployment/", params={"q": deployment}).text
    found = re.search(r'href="(/admin/inference/deployment/\d+/)change/', rows)
    assert found is not None
    return found[1]


def test_the_admin_knows_what_every_process_knows(uvicorn, stack):
    model = publish(stack, f"http://127.0.0.1:{free_port()}")
    with httpx.Client() as http:
        # Another process than the one that shows the page.
        other = stack.servers["daphne" if stack.redis_url else "uvicorn"]
        body = {"model": model, "messages": HELLO}
        answer = http.post(f"{other.v1}/chat/completions", json=body, headers=bearer(stack.api_key))
    check(answer, 503, "server_error", "server_is_overloaded")
    operator = signed_in(uvicorn, stack.admin)

    def row() -> str:
        page = operator.get("/admin/inference/deployment/", params={"q": model}).text
        return re.sub("<[^>]+>", " ", page[page.index("<tbody>") :])

    eventually(lambda: "failing" in row())
    assert "nothing answers at its address" in row()
