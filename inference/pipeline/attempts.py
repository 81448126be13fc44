"""The routing step: which deployment answers, and which next if it does not."""

import time
from contextlib import aclosing

from accounts.errors import ApiError
from inference.admission import assets_of, too_long
from inference.backends import BACKENDS, TENSOR_BACKENDS
from inference.backends.tensor_layout import Values
from inference.backends.tensor_results import Results
from inference.catalogue import Offer
from inference.deadline import Deadline
from inference.errors import BackendFailed, BackendTimeout, BackendUnavailable, ContextLengthExceeded, EngineRefused
from inference.failures import MOST_BROKEN, may_have_broken
from inference.generation import EventStream, Finish, Generation, Restart, Usage
from inference.meter import Meter
from inference.probing import watch
from inference.routing import Lease, router
from inference.tokenization import count_tokens


class Attempts:
    """The attempts of one call to an engine: one after another, each on another deployment."""

    __slots__ = ("_broken", "_end", "_last", "_offer", "_tried")

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._end = time.monotonic() + offer.total_timeout
        self._tried: frozenset[str] = frozenset()
        self._last: ApiError | None = None
        self._broken = 0

    async def lease(self) -> Lease:
        """A place for the next one. Raises what the last one ended with where there is none, `BackendUnavailable`."""
        # Where one is slow, so are others that are in trouble: a second attempt there would only add to it.
        healthy_only = isinstance(self._last, BackendTimeout)
        try:
            return await router.acquire(self._offer.model_id, without=self._tried, healthy_only=healthy_only)
        except BackendUnavailable as error:
            last, self._last = self._last, None
            try:
                raise last or error from None
            finally:
                # An error holds this frame, which must not hold it too.
                last = None

    def deadline(self) -> Deadline:
        """The model's patience, as far as those before have left any."""
        offer = self._offer
        left = self._end - time.monotonic()
        return Deadline(first=offer.first_token_timeout, idle=offer.idle_timeout, total=left)

    def failed(self, lease: Lease, error: ApiError, *, final: bool = False) -> bool:
        """One has ended with `error`; whether there is to be another. No request shall break engine after engine.

        `final`: there cannot be another in any case.
        """
        if lease.failed(error):
            watch(lease.state)
        self._broken += may_have_broken(error)
        if final or isinstance(error, EngineRefused) or self._broken == MOST_BROKEN or time.monotonic() >= self._end:
            return False
        # Without its frames, which hold this object.
        self._tried, self._last = self._tried | {lease.target.name}, error.with_traceback(None)
        return True


async def routed(generation: Generation, offer: Offer, meter: Meter, *, whole: bool = False) -> EventStream:
    """The events of the first deployment that answers; another is tried only while none has sent anything.

    `whole`: the client gets nothing before the end, so that an answer which broke off may begin again elsewhere.
    """
    attempts = Attempts(offer)
    began = False
    while True:
        if began:
            began = False
            yield Restart()
        lease = await attempts.lease()
        try:
            meter.begin(lease.target.name)
            with attempts.deadline() as deadline:
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
            if not attempts.failed(lease, error, final=began and not whole):
                raise
        finally:
            lease.release()


async def inferred(values: Values, offer: Offer, meter: Meter, *, batch: int = 1) -> Results:
    """What one call for `batch` items comes to, on the first deployment that answers; raises what the last one raised.

    `values` by source and results by role, as of `inference.backends.triton_tensors`. Nothing has gone to the client
    yet, so that any failure may be tried again elsewhere.
    """
    attempts = Attempts(offer)
    while True:
        lease = await attempts.lease()
        try:
            meter.begin(lease.target.name)
            backend = TENSOR_BACKENDS.get(lease.target.adapter)
            if backend is None:
                raise BackendFailed("The model is not set up for this request.")
            with attempts.deadline() as deadline:
                deadline.wait()
                found = await backend.infer(values, lease.target, batch=batch)
            lease.succeeded()
            return found
        except (BackendFailed, BackendTimeout, BackendUnavailable) as error:
            if not attempts.failed(lease, error):
                raise
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
