"""Whatever an engine does wrong, a request that has not begun to be answered is answered by another one."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import pytest

from accounts.database_thread import in_database_thread
from accounts.selectors import default_project_of
from accounts.services import create_organization, issue_key
from billing.metering import writer
from billing.models import UsageRecord
from inference import probing
from inference.backends.transport import close_transport
from inference.failures import BUSY, Reason
from inference.models import ServedModel
from inference.routing import router
from inference.selectors import healthy_deployments, model_is_ready
from inference.services import add_deployment, publish_model
from tests.inference.asking import ask
from tests.inference.conftest import ACTOR, SIZES
from tests.inference.faulty_engines import BROKEN_OFF, FAULTS, WORKS, Engine, failure, says, slowly

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

Result = TypeVar("Result")
PATIENCE = {"first_token_timeout": 1, "idle_timeout": 1, "total_timeout": 10}


@pytest.fixture
def key(prices: None) -> str:
    """An API key."""
    project = default_project_of(create_organization(actor=ACTOR, slug="reeder", name="Reederei Alster"))
    return issue_key(actor=ACTOR, project=project, name="shop").text


def run(work: Callable[[AsyncExitStack], Awaitable[Result]]) -> Result:
    """What `work` returns, with an event loop and engines that end with it."""

    async def whole() -> Result:
        try:
            async with AsyncExitStack() as engines:
                return await work(engines)
        finally:
            await close_transport()
            await writer().close()

    return asyncio.run(whole())


def publish(name: str, *engines: Engine, **fields: Any) -> None:
    """A model with a deployment on each engine."""
    model: ServedModel = publish_model(actor=ACTOR, model_id=name, **{**SIZES, **PATIENCE})[0]
    for number, engine in enumerate(engines):
        called = f"{name}-{number}"
        add_deployment(actor=ACTOR, name=called, model=model, url=engine.url, triton_model="m", **fields)


def state(name: str) -> Any:
    """What the router knows of a deployment."""
    return next(state for state in router.states() if state.target.name == name)


async def answer(key: str, model: str, *, stream: bool) -> tuple[int, str]:
    """The status and the text of the answer to a request; of a stream all of its bytes."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    head, *rest = await ask(key, body)
    return head["status"], b"".join(part["body"] for part in rest).decode()


def is_whole(found: tuple[int, str]) -> bool:
    """Whether an answer is what the engine that works says."""
    status, text = found
    return status == 200 and "Hello" in text and " world" in text and '"error"' not in text


async def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def test_no_request_fails_while_a_deployment_is_healthy_and_nothing_has_begun(key, monkeypatch):
    monkeypatch.setattr(probing, "PROBE_SECONDS", 1.0)
    names = {kind: kind.replace(" ", "-").lower() for kind in FAULTS}

    async def work(engines: AsyncExitStack) -> dict[str, Any]:
        good = await engines.enter_async_context(Engine(WORKS).running())
        bad = {kind: await engines.enter_async_context(Engine(FAULTS[kind][0]).running()) for kind in FAULTS}
        for kind, engine in bad.items():
            await in_database_thread(publish, names[kind], engine, good)
        requests = {kind: [answer(key, names[kind], stream=n % 2 == 0) for n in range(4)] for kind in FAULTS}
        told = await asyncio.gather(*(asyncio.gather(*asking) for asking in requests.values()))
        wrong = {kind: answers for kind, answers in zip(FAULTS, told, strict=True) if not all(map(is_whole, answers))}
        assert wrong == {}
        assert [kind for kind, engine in bad.items() if not engine.requests] == []
        seen = {kind: state(f"{names[kind]}-0").last_reason or BUSY for kind in FAULTS}
        assert seen == {kind: reason for kind, (_, reason) in FAULTS.items()}
        # What failed is left alone, and comes back by itself.
        failing = [kind for kind, (_, reason) in FAULTS.items() if reason != BUSY]
        assert [kind for kind in failing if state(f"{names[kind]}-0").failing_since is None] == []
        for engine in bad.values():
            engine.behaviour = WORKS
        # A probe that the engine held from before is given up first.
        await eventually(lambda: not any(state(f"{name}-0").failing_since for name in names.values()))
        return wrong

    run(work)


def test_what_breaks_off_in_the_middle_ends_with_an_error_and_is_not_begun_again(key):
    async def work(engines: AsyncExitStack) -> None:
        good = await engines.enter_async_context(Engine(WORKS).running())
        broken = [await engines.enter_async_context(Engine(behaviour).running()) for behaviour in BROKEN_OFF.values()]
        for number, bad in enumerate(broken):
            await in_database_thread(publish, f"m-{number}", bad, good)
        for number, (kind, bad) in enumerate(zip(BROKEN_OFF, broken, strict=True)):
            status, text = await answer(key, f"m-{number}", stream=True)
            *chunks, last = [json.loads(event.removeprefix("data: ")) for event in text.split("\n\n") if event]
            assert status == 200, kind
            assert last["error"]["code"] == ("backend_timeout" if kind == "hangs" else "backend_error"), kind
            assert "Hello" in text, kind
            assert "world" not in text, kind
            assert all(choice["finish_reason"] is None for chunk in chunks for choice in chunk["choices"]), kind
            assert good.requests == 0, kind
            assert bad.requests <= 2, f"{kind}: it, and perhaps a probe"
            assert state(f"m-{number}-0").failing_since is not None, kind

    run(work)


def test_what_breaks_off_before_the_client_got_any_of_it_begins_again_elsewhere(key):
    async def work(engines: AsyncExitStack) -> None:
        good = await engines.enter_async_context(Engine(WORKS).running())
        broken = [await engines.enter_async_context(Engine(behaviour).running()) for behaviour in BROKEN_OFF.values()]
        for number, bad in enumerate(broken):
            await in_database_thread(publish, f"m-{number}", bad, good)
        for number, (kind, bad) in enumerate(zip(BROKEN_OFF, broken, strict=True)):
            status, text = await answer(key, f"m-{number}", stream=False)
            assert status == 200, kind
            found = json.loads(text)
            assert found["choices"][0]["message"]["content"] == "Hello world", kind
            assert found["usage"]["completion_tokens"] == 2, kind
            assert bad.requests, kind

    run(work)
    # What the broken ones had generated is on no bill.
    records = UsageRecord.objects.values_list("outcome", "output_tokens", "deployment")
    assert sorted(records) == [("completed", 2, f"m-{number}-1") for number in range(len(BROKEN_OFF))]


def test_a_connection_that_is_refused_costs_no_request_however_many_deployments_are_gone(key):
    async def work(engines: AsyncExitStack) -> None:
        gone = [Engine(WORKS) for _ in range(5)]
        for engine in gone:
            async with engine.running():
                pass
        good = await engines.enter_async_context(Engine(WORKS).running())
        await in_database_thread(publish, "m", *gone, good)
        answers = await asyncio.gather(*(answer(key, "m", stream=False) for _ in range(20)))
        assert all(map(is_whole, answers))
        assert {state(f"m-{number}").last_reason for number in range(5)} == {Reason.UNREACHABLE}

    run(work)


def test_a_request_that_breaks_engines_does_not_break_all_of_them(key):
    async def work(engines: AsyncExitStack) -> None:
        fragile = [await engines.enter_async_context(Engine(FAULTS["closes without a word"][0]).running())] * 5
        await in_database_thread(publish, "m", *fragile)
        status, _ = await answer(key, "m", stream=False)
        assert status == 503
        assert fragile[0].requests == 3

    run(work)


def test_after_a_failure_one_probe_at_a_time_goes_to_a_deployment_and_no_request(key):
    async def work(engines: AsyncExitStack) -> None:
        good = await engines.enter_async_context(Engine(WORKS).running())
        bad = await engines.enter_async_context(Engine(FAULTS["hangs before the head"][0]).running())
        await in_database_thread(publish, "m", bad, good)
        assert is_whole(await answer(key, "m", stream=False))
        await eventually(lambda: (bad.requests, bad.at_once) == (2, 1))
        for _ in range(3):
            answers = await asyncio.gather(*(answer(key, "m", stream=False) for _ in range(20)))
            assert all(map(is_whole, answers))
        assert (bad.requests, bad.at_once, bad.most_at_once) == (2, 1, 1)

    run(work)


def test_a_deployment_that_fails_probes_is_not_counted_as_ready_whatever_its_engine_says(key, monkeypatch):
    monkeypatch.setattr(probing, "PROBE_SECONDS", 0.2)

    async def work(engines: AsyncExitStack) -> None:
        good = await engines.enter_async_context(Engine(WORKS).running())
        bad = await engines.enter_async_context(Engine(FAULTS["hangs before the head"][0]).running())
        await in_database_thread(publish, "m", bad, good)
        assert is_whole(await answer(key, "m", stream=False))
        await eventually(lambda: state("m-0").probes_failed == 1)
        # For `GET …/ready` it is a 200, as of a Triton whose stub is dead.
        bad.behaviour = WORKS
        assert await model_is_ready(state("m-0").target)
        assert await healthy_deployments() == ["m-1"]
        await eventually(lambda: state("m-0").failing_since is None)
        assert await healthy_deployments() == ["m-0", "m-1"]

    run(work)


@pytest.mark.parametrize("kind", ["hangs before the head", "closes without a word", "has a head that trickles"])
def test_requests_that_an_engine_fails_leave_nothing_behind(key, kind):
    async def work(engines: AsyncExitStack) -> None:
        bad = await engines.enter_async_context(Engine(FAULTS[kind][0]).running())
        await in_database_thread(publish, "m", bad)
        await answer(key, "m", stream=False)
        await eventually(lambda: state("m-0").failing_since is not None)
        before = len(asyncio.all_tasks()) - bad.at_once
        for _ in range(2):
            answers = await asyncio.gather(*(answer(key, "m", stream=n % 2 == 0) for n in range(16)))
            assert {status for status, _ in answers} <= {503, 504}
        # What may be left is a probe.
        await eventually(lambda: bad.at_once <= 1)
        assert len(asyncio.all_tasks()) - bad.at_once <= before
        assert state("m-0").outstanding == 0
        assert not state("m-0").pool.waiting

    run(work)


def test_an_engine_that_refuses_everything_is_found_out_by_a_probe(key):
    async def work(engines: AsyncExitStack) -> None:
        good = await engines.enter_async_context(Engine(WORKS).running())
        refusing = says(failure("Error generating stream: CUDA error: an illegal memory access"))
        bad = await engines.enter_async_context(Engine(refusing).running())
        await in_database_thread(publish, "m", bad, good)
        statuses = [(await answer(key, "m", stream=False))[0] for _ in range(30)]
        assert 5 <= statuses.count(502) <= 10
        assert state("m-0").last_reason == Reason.ENGINE_ERROR

    run(work)


def test_a_model_whose_deployments_are_full_keeps_requests_waiting_in_line(key, settings):
    async def work(engines: AsyncExitStack) -> None:
        settings.DEPLOYMENT_WAIT_SECONDS = 5.0
        slow = await engines.enter_async_context(Engine(slowly(0.2)).running())
        await in_database_thread(lambda: publish("m", slow, max_concurrency=4))
        answers = await asyncio.gather(*(answer(key, "m", stream=False) for _ in range(8)))
        assert all(map(is_whole, answers))
        assert slow.most_at_once == 4
        # The line is as long as there are places.
        answers = await asyncio.gather(*(answer(key, "m", stream=False) for _ in range(10)))
        assert sorted(status for status, _ in answers) == [200] * 8 + [503] * 2
        settings.DEPLOYMENT_WAIT_SECONDS = 0.1
        answers = await asyncio.gather(*(answer(key, "m", stream=False) for _ in range(8)))
        assert sorted(status for status, _ in answers) == [200] * 4 + [503] * 4

    run(work)
