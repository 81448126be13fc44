"""The routing step: which deployment answers, and which next if it does not."""

import time
from contextlib import aclosing

from accounts.errors import ApiError
from inference.admission import assets_of, too_long
from inference.backends import BACKENDS
from inference.catalogue import Offer
from inference.deadline import Deadline
from inference.errors import BackendFailed, BackendTimeout, BackendUnavailable, ContextLengthExceeded, EngineRefused
from inference.failures import MOST_BROKEN, may_have_broken
from inference.generation import EventStream, Finish, Generation, Restart, Usage
from inference.meter import Meter
from inference.probing import watch
from inference.routing import router
from inference.tokenization import count_tokens


async def routed(generation: Generation, offer: Offer, meter: Meter, *, whole: bool = False) -> EventStream:
    """The events of the first deployment that answers; another is tried only while none has sent anything.

    `whole`: the client gets nothing before the end, so that an answer which broke off may begin again elsewhere.
    """
    end = time.monotonic() + offer.total_timeout
    tried: frozenset[str] = frozenset()
    last: ApiError | None = None
    broken = 0
    began = False
    while True:
        if began:
            began = False
            yield Restart()
        try:
            # Where one is slow, so are others that are in trouble: a second attempt there would only add to it.
            healthy_only = isinstance(last, BackendTimeout)
            lease = await router.acquire(offer.model_id, without=tried, healthy_only=healthy_only)
        except BackendUnavailable as error:
            try:
                raise last or error from None
            finally:
                # An error holds this frame, which must not hold it too.
                last = None
        try:
            meter.begin(lease.target.name)
            left = end - time.monotonic()
            with Deadline(first=offer.first_token_timeout, idle=offer.idle_timeout, total=left) as deadline:
                async with aclosing(BACKENDS[lease.target.adapter].stream(generation, lease.target)) as stream:
                    deadline.wait()
                    async for event in stream:
                        deadline.got()
                        if not began:
                            began = True
                            lease.succeeded()
                            if type(event) is Usage and event.input_tokens >= offer.context_length:
                                # Not counted before, and the engine would take more than the operator offers.
                                yield event
                                raise too_long(offer, event.input_tokens, generation.param)
                        yield event
                        # After the end no engine is waited for: what was answered and billed cannot come too late.
                        if type(event) is not Finish:
                            deadline.wait()
            return
        except ContextLengthExceeded as error:
            if began:
                raise
            raise await _counted(error, generation, offer) from None
        except (BackendFailed, BackendTimeout, BackendUnavailable) as error:
            if lease.failed(error):
                watch(lease.state)
            broken += may_have_broken(error)
            too_late = began and not whole
            if too_late or isinstance(error, EngineRefused) or broken == MOST_BROKEN or time.monotonic() >= end:
                raise
            tried, last = tried | {lease.target.name}, error.with_traceback(None)
        finally:
            lease.release()


async def _counted(refusal: ContextLengthExceeded, generation: Generation, offer: Offer) -> ContextLengthExceeded:
    """An engine's refusal with the number of tokens, which clients show."""
    tokens = await count_tokens(assets_of(offer).tokenizer, generation.prompt)
    # An engine that takes less than the operator offers: the numbers would contradict the refusal.
    if tokens >= offer.context_length:
        return too_long(offer, tokens, generation.param)
    refusal.param = generation.param
    return refusal
