"""The router spreads requests by weight, keeps within bounds, lets them wait in line, and leaves failing ones alone."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from inference.errors import BackendFailed, BackendTimeout, BackendUnavailable, EngineRefused
from inference.failures import BUSY, Reason
from inference.generation import Target
from inference.routing import SUSPICIOUS_REFUSALS, Lease, Router


def target(name: str, *, weight: int = 1, max_concurrency: int = 100, port: int = 1, **fields: Any) -> Target:
    return Target(
        name=name,
        adapter="triton_vllm",
        url=f"http://127.0.0.1:{port}",
        triton_model="m",
        triton_version="",
        weight=weight,
        max_concurrency=max_concurrency,
        headers=fields.pop("headers", {}),
        options={},
    )


def routing(*targets: Target) -> Router:
    router = Router()
    router.follow({"m": targets})
    return router


def unavailable(reason: str | None = Reason.UNREACHABLE) -> BackendUnavailable:
    error = BackendUnavailable("gone")
    error.reason = reason
    return error


def state(router: Router, name: str):
    return next(state for state in router.states() if state.target.name == name)


async def names(router: Router, requests: int) -> Counter[str]:
    return Counter([(await router.acquire("m")).target.name for _ in range(requests)])


@pytest.fixture
def waiting(settings) -> Callable[[float], None]:
    def seconds(seconds: float) -> None:
        settings.DEPLOYMENT_WAIT_SECONDS = seconds

    return seconds


async def test_outstanding_requests_follow_the_weights():
    assert await names(routing(target("small"), target("large", weight=3)), 40) == {"small": 10, "large": 30}


async def test_requests_one_after_the_other_follow_the_weights_too():
    router = routing(target("small"), target("large", weight=3))
    seen: Counter[str] = Counter()
    for _ in range(40):
        lease = await router.acquire("m")
        await asyncio.sleep(0.002)
        seen[lease.target.name] += 1
        lease.release()
    assert 5 <= seen["small"] <= 15


async def test_a_full_deployment_gets_no_more_and_a_full_model_is_unavailable(waiting):
    waiting(0.0)
    router = routing(target("one", max_concurrency=2))
    first = await router.acquire("m")
    await router.acquire("m")
    with pytest.raises(BackendUnavailable) as refused:
        await router.acquire("m")
    assert refused.value.status == 503
    assert refused.value.headers["retry-after"]
    first.release()
    assert (await router.acquire("m")).target.name == "one"


async def test_without_deployments_the_model_is_unavailable():
    with pytest.raises(BackendUnavailable):
        await routing().acquire("m")
    with pytest.raises(BackendUnavailable):
        await Router().acquire("m")


# -- waiting in line ------------------------------------------------------------------------------------------


async def test_requests_wait_in_line_and_are_served_in_their_order(waiting):
    waiting(5.0)
    router = routing(target("one", max_concurrency=1), target("two", max_concurrency=2))
    held = [await router.acquire("m") for _ in range(3)]
    order: list[int] = []

    async def ask(number: int) -> Lease:
        lease = await router.acquire("m")
        order.append(number)
        return lease

    asking = []
    for number in range(3):
        asking.append(asyncio.create_task(ask(number)))
        await asyncio.sleep(0)
    for lease in held:
        lease.release()
        await asyncio.sleep(0.01)
    leases = await asyncio.gather(*asking)
    assert order == [0, 1, 2]
    assert [state.outstanding for state in router.states()] == [1, 2]
    for lease in leases:
        lease.release()
    assert [state.outstanding for state in router.states()] == [0, 0]


async def test_the_line_has_an_end_and_so_has_patience(waiting):
    waiting(0.2)
    router = routing(target("one", max_concurrency=1))
    held = await router.acquire("m")
    first = asyncio.create_task(router.acquire("m"))
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    start = loop.time()
    with pytest.raises(BackendUnavailable):
        await router.acquire("m")
    assert loop.time() - start < 0.1, "there is one place, so one may wait for it"
    with pytest.raises(BackendUnavailable):
        await first
    assert loop.time() - start > 0.15
    held.release()
    assert state(router, "one").outstanding == 0


async def test_a_place_given_to_a_request_that_just_ended_is_given_on(waiting):
    waiting(5.0)
    router = routing(target("one", max_concurrency=2))
    held = [await router.acquire("m"), await router.acquire("m")]
    asking = [asyncio.create_task(router.acquire("m")) for _ in range(2)]
    await asyncio.sleep(0)
    held[0].release()
    asking[0].cancel()
    held[1].release()
    with pytest.raises(asyncio.CancelledError):
        await asking[0]
    (await asking[1]).release()
    assert state(router, "one").outstanding == 0


async def test_those_in_line_get_the_places_of_a_deployment_that_is_added_or_recovers(waiting):
    waiting(5.0)
    one, two = target("one", max_concurrency=1), target("two", max_concurrency=1)
    router = routing(one)
    await router.acquire("m")
    asking = asyncio.create_task(router.acquire("m"))
    await asyncio.sleep(0)
    router.follow({"m": [one, two]})
    lease = await asking
    assert lease.target.name == "two"
    asking = asyncio.create_task(router.acquire("m"))
    await asyncio.sleep(0)
    assert lease.failed(unavailable())
    lease.release()
    await asyncio.sleep(0.01)
    assert not asking.done(), "a failing deployment's place is not worth having while a healthy one is only full"
    router.recovered(state(router, "two"))
    assert (await asking).target.name == "two"


async def test_a_healthy_deployment_that_is_full_is_waited_for_rather_than_a_failing_one_asked(waiting):
    waiting(0.1)
    router = routing(target("bad"), target("good", max_concurrency=1))
    bad = await router.acquire("m", without=frozenset({"good"}))
    bad.failed(unavailable())
    bad.release()
    held = await router.acquire("m")
    with pytest.raises(BackendUnavailable):
        await router.acquire("m")
    waiting(5.0)
    asking = asyncio.create_task(router.acquire("m"))
    await asyncio.sleep(0.01)
    held.release()
    assert (await asking).target.name == "good"


# -- failures -------------------------------------------------------------------------------------------------


async def test_a_failing_deployment_gets_nothing_until_it_recovers():
    router = routing(target("bad"), target("good"))
    bad = await router.acquire("m", without=frozenset({"good"}))
    assert bad.failed(unavailable())
    assert await names(router, 5) == {"good": 5}
    router.recovered(state(router, "bad"))
    assert "bad" in await names(router, 5)


async def test_where_none_is_healthy_a_failing_one_is_better_than_nothing_and_a_success_ends_it():
    router = routing(target("only"))
    lease = await router.acquire("m")
    lease.failed(BackendTimeout("slow"))
    with pytest.raises(BackendUnavailable):
        await router.acquire("m", healthy_only=True)
    again = await router.acquire("m")
    again.succeeded()
    assert state(router, "only").failing_since is None


async def test_requests_that_break_together_are_one_event_and_pauses_grow_with_probes_only():
    router = routing(target("one"))
    leases = [await router.acquire("m") for _ in range(50)]
    assert [lease.failed(unavailable()) for lease in leases].count(True) == 1
    found = state(router, "one")
    assert found.pause == 1.0
    for pause in (2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        router.still_failing(found, Reason.UNREACHABLE)
        assert found.pause == pause


async def test_what_began_before_a_turn_proves_nothing_after_it():
    router = routing(target("one"))
    old = await router.acquire("m")
    broken = await router.acquire("m")
    broken.failed(unavailable())
    old.succeeded()
    assert state(router, "one").failing_since is not None, "a stream that began before it broke"
    router.recovered(state(router, "one"))
    assert not old.failed(BackendTimeout("a stream of the engine that died"))
    assert state(router, "one").failing_since is None
    # Soon after, it breaks again: the pauses go on where they were.
    (await router.acquire("m")).failed(unavailable())
    assert state(router, "one").pause == 2.0
    router.recovered(state(router, "one"))
    # What a request may have brought about by itself is tried out at once.
    (await router.acquire("m")).failed(BackendTimeout("slow"))
    assert state(router, "one").pause == 0.0
    router.still_failing(state(router, "one"), Reason.TIMEOUT)
    assert state(router, "one").pause == 1.0


async def test_an_answer_that_was_too_long_is_no_failure():
    router = routing(target("one"))
    lease = await router.acquire("m")
    error = BackendTimeout("too long")
    error.overlong = True
    assert not lease.failed(error)
    assert state(router, "one").failing_since is None


async def test_a_full_queue_or_a_refused_request_is_no_failure():
    router = routing(target("one"))
    lease = await router.acquire("m")
    assert not lease.failed(unavailable(BUSY))
    for _ in range(SUSPICIOUS_REFUSALS - 1):
        assert not lease.failed(EngineRefused("no"))
    lease.succeeded()
    for _ in range(SUSPICIOUS_REFUSALS - 1):
        assert not lease.failed(EngineRefused("no"))
    assert lease.failed(EngineRefused("no")), "so many in a row are worth a probe"
    assert state(router, "one").failing_since is None, "which decides"
    assert lease.failed(BackendFailed("broke off"))
    assert state(router, "one").last_reason == Reason.ENGINE_ERROR


# -- a new catalogue ------------------------------------------------------------------------------------------


async def test_a_deployment_of_another_address_or_secret_starts_anew():
    router = routing(target("one"))
    (await router.acquire("m")).failed(unavailable(Reason.SECRET_REFUSED))
    router.follow({"m": [target("one", weight=5)]})
    found = state(router, "one")
    assert (found.failing_since is None, found.outstanding, found.target.weight) == (False, 1, 5)
    router.follow({"m": [target("one", headers={"x-key": "right"})]})
    assert (found.failing_since, found.outstanding) == (None, 1)
    router.follow({"m": [target("one", port=2)]})
    assert [(each.target.url[-1], each.outstanding) for each in router.states()] == [("2", 0), ("1", 1)]


async def test_a_deployment_that_is_taken_away_gets_nothing_more_and_is_forgotten_when_it_is_empty():
    one, two = target("one"), target("two")
    router = routing(one, two)
    leases = [await router.acquire("m") for _ in range(4)]
    router.follow({"m": [two]})
    assert await names(router, 3) == {"two": 3}
    assert state(router, "one").outstanding == 2
    for lease in leases:
        lease.release()
    assert [each.target.name for each in router.states()] == ["two"]
    assert state(router, "two").outstanding == 3


async def test_a_deployment_that_comes_back_has_the_requests_that_it_still_has():
    one, two = target("one"), target("two")
    router = routing(one, two)
    lease = await router.acquire("m", without=frozenset({"two"}))
    router.follow({"m": [two]})
    router.follow({"m": [one, two]})
    assert state(router, "one").outstanding == 1
    lease.release()
    assert {each.outstanding for each in router.states()} == {0}
    assert len(router.states()) == 2
