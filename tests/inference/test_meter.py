"""How a request that is cancelled goes on record."""

import asyncio
from contextlib import aclosing

import pytest

from billing.models import Outcome
from inference.generation import EventStream, TextDelta
from inference.meter import TextMeter, clients_gone, metered


class Settled(TextMeter):
    """Notes only how it was settled."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[Outcome, str]] = []

    def delta(self, event: TextDelta) -> None:
        """Counts nothing."""

    def settle(self, outcome: Outcome, *, error_code: str = "") -> "asyncio.Future[None]":
        self.outcomes.append((outcome, error_code))
        return asyncio.get_running_loop().create_future()


async def answering() -> EventStream:
    yield TextDelta(0, "Hello", 1)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        # As libraries do that clean up in between.
        raise asyncio.CancelledError from None


@pytest.mark.parametrize("blocked", [False, True])
@pytest.mark.parametrize(
    ("gone", "settled"), [(True, (Outcome.CANCELLED, "")), (False, (Outcome.FAILED, "server_shutting_down"))]
)
async def test_a_client_that_hangs_up_is_told_from_a_server_that_ends(gone, settled, blocked):
    meter = Settled()

    async def request() -> None:
        async with aclosing(metered(answering(), meter, choices=1)) as events:
            async for _ in events:
                if blocked:
                    # A client that does not read.
                    await asyncio.sleep(60)

    task = asyncio.create_task(request())
    await asyncio.sleep(0.01)
    if gone:
        clients_gone.add(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert meter.outcomes == [settled]


async def test_what_breaks_between_the_engine_and_the_client_is_our_fault():
    meter = Settled()
    with pytest.raises(ZeroDivisionError):
        async with aclosing(metered(answering(), meter, choices=1)) as events:
            async for _ in events:
                raise ZeroDivisionError
    assert meter.outcomes == [(Outcome.FAILED, "server_error")]
