"""What endpoints without generated text share: embeddings, rerank and images."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from accounts.principals import Principal
from billing.models import Outcome
from inference.admission import admit_model
from inference.catalogue import Offer, catalogue
from inference.meter import Settling
from inference.pipeline.answer import Arrival
from inference.pipeline.in_order import in_order
from inference.pipeline.text import Asked
from inference.work_meter import WorkMeter

Piece = TypeVar("Piece")
Found = TypeVar("Found")

# Calls of one request that are under way together; the places of a deployment are for everybody.
AT_ONCE = 4


async def admitted(principal: Principal, arrival: Arrival, model: str, *, capability: str, endpoint: str) -> Asked:
    """Who asks what of which model; raises as `admit_model`."""
    offers = await catalogue.current()
    offer = admit_model(offers, principal, model, capability=capability)
    return Asked(principal, arrival, offers, offer, model, endpoint, streamed=False)


def work_meter(asked: Asked) -> WorkMeter:
    """The meter of a request. Raises `MeteringUnavailable` where nothing can be recorded."""
    return WorkMeter(**asked.metering)


async def accounted(work: Awaitable[Found], meter: WorkMeter) -> Found:
    """What `work` comes to, once its usage record is committed: encode the body in it, and send it afterwards.

    Raises what `work` raises, and `MeteringUnavailable` when the record cannot be written.
    """
    async with Settling(meter):
        found = await work
    await meter.settle(Outcome.COMPLETED)
    return found


def at_once(offer: Offer) -> int:
    """Calls of one request under way together: no more than there are places, else it would stand in others' way."""
    return max(1, min(AT_ONCE, sum(target.max_concurrency for target in offer.targets)))


async def side_by_side(pieces: Sequence[Piece], work: Callable[[Piece], Awaitable[Found]], offer: Offer) -> list[Found]:
    """What `work` makes of each piece, in their order; as `in_order`, a few of them at once."""
    if len(pieces) == 1:
        return [await work(pieces[0])]
    async with aclosing(in_order(pieces, work, at_once=at_once(offer))) as results:
        return [found async for found in results]


def batches(count: int, offer: Offer) -> list[slice]:
    """The items of a request in calls that every deployment of the model takes, as even as can be."""
    bounds = [target.tensor_map.max_batch for target in offer.targets if target.tensor_map is not None]
    most = min((bound for bound in bounds if bound is not None), default=count)
    calls = -(-count // most)
    size = -(-count // calls)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
