"""What the directives do to a model of tensors: waiting holds up no other request, and a dead process is healed."""

import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from inference.embedded_triton import EmbeddedTriton
from tests.engines import ROOT
from tests.triton.calls import wait_until
from tests.triton.tensors import infer, text


@pytest.fixture(scope="module")
def own() -> Iterator[EmbeddedTriton]:
    """A Triton to be broken."""
    with EmbeddedTriton(ROOT / "var", models=["demo-embed"]) as server:
        yield server


def status(triton: EmbeddedTriton, asked: str) -> int:
    return infer(triton, "demo-embed", text("TEXT", asked, shape=[1, 1])).status_code


def test_only_the_models_that_were_named_are_loaded(own: EmbeddedTriton) -> None:
    index = httpx.post(f"{own.url}/v2/repository/index", json={"ready": True}).json()
    assert [model["name"] for model in index] == ["demo-embed"]


def test_a_request_that_waits_holds_up_no_other(own: EmbeddedTriton) -> None:
    slow: list[float] = []
    started = time.monotonic()

    def wait() -> None:
        assert status(own, "[[delay=1.5]]x") == 200
        slow.append(time.monotonic() - started)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert status(own, "x") == 200
    assert not slow
    waiting.join()
    assert slow[0] >= 1.5


def test_a_dead_process_refuses_all_and_is_healed_by_unload_and_load(own: EmbeddedTriton) -> None:
    assert status(own, "[[crash]]") == 500
    assert status(own, "x") == 500
    for act in ("unload", "load"):
        assert httpx.post(f"{own.url}/v2/repository/models/demo-embed/{act}", json={}, timeout=30).status_code == 200
    wait_until(lambda: status(own, "x") == 200)


def test_a_hanging_request_ends_with_the_server(own: EmbeddedTriton) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{own.url}/v2/models/demo-embed/infer",
            json={"inputs": [text("TEXT", "[[hang]]", shape=[1, 1])]},
            timeout=0.5,
        )
    assert status(own, "x") == 200
    started = time.monotonic()
    own.stop()
    assert time.monotonic() - started < 9
