"""The router spreads requests by weight, keeps within bounds and leaves failing deployments alone."""

from collections import Counter

import pytest

from inference.errors import BackendUnavailable
from inference.generation import Target
from inference.routing import Router


def target(name: str, *, weight: int = 1, max_concurrency: int = 100) -> Target:
    return Target(
        name=name,
        adapter="triton_vllm",
        url="http://127.0.0.1:1",
        triton_model="m",
        triton_version="",
        weight=weight,
        max_concurrency=max_concurrency,
        headers={},
        options={},
    )


def test_outstanding_requests_follow_the_weights():
    router = Router()
    targets = [target("small"), target("large", weight=3)]
    chosen = Counter(router.acquire(targets).name for _ in range(40))
    assert chosen == {"small": 10, "large": 30}


def test_a_full_deployment_gets_no_more_and_a_full_model_is_unavailable():
    router = Router()
    only = [target("one", max_concurrency=2)]
    router.acquire(only)
    router.acquire(only)
    with pytest.raises(BackendUnavailable) as refused:
        router.acquire(only)
    assert refused.value.status == 503
    assert refused.value.headers["retry-after"]
    router.release(only[0])
    assert router.acquire(only).name == "one"


def test_a_failing_deployment_comes_last_until_it_answers_again():
    router = Router()
    targets = [target("bad"), target("good")]
    router.failed(targets[0])
    assert {router.acquire(targets).name for _ in range(5)} == {"good"}
    assert router.acquire(targets, without=frozenset({"good"})).name == "bad"
    router.succeeded(targets[0])
    assert "bad" in {router.acquire(targets).name for _ in range(5)}


def test_without_deployments_the_model_is_unavailable():
    with pytest.raises(BackendUnavailable):
        Router().acquire([])
