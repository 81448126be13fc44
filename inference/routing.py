"""Which deployment answers: the least busy by weight of those that work; and what happens when all are full.

A deployment that fails is left alone from the first failure on. `inference.probing` tries it out with a request of its
own after a pause (decision 0016); customers' requests go there meanwhile only when their model has no other deployment.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping

import structlog
from django.conf import settings

from accounts.errors import ApiError
from inference.deployment_state import DeploymentState, Pool
from inference.errors import BackendUnavailable, EngineRefused
from inference.failures import BUSY, EXCUSABLE, failure_of
from inference.generation import Target

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
# A failure this soon after a recovery goes on with the pauses of the last one.
RELAPSE_SECONDS = 60.0
# An engine may refuse what a customer sends; one that refused this many in a row is tried out.
SUSPICIOUS_REFUSALS = 5

NOBODY: frozenset[str] = frozenset()


class Lease:
    """One request's place on a deployment."""

    __slots__ = ("_router", "since", "state", "target")

    def __init__(self, router: "Router", state: DeploymentState, now: float) -> None:
        self._router = router
        self.state = state
        self.target = state.target
        self.since = now

    def release(self) -> None:
        """The request is over."""
        self._router._release(self.state)

    def succeeded(self) -> None:
        """It has begun to answer."""
        state = self.state
        state.last_answer_at = time.time()
        state.refusals = 0
        if state.failing_since is not None and self.since > state.turned_at:
            self._router.recovered(state)

    def failed(self, error: ApiError) -> bool:
        """It ended with `error`; whether the deployment is to be tried out, as it may be at fault."""
        if isinstance(error, EngineRefused):
            self.state.refusals += 1
            return self.state.refusals >= SUSPICIOUS_REFUSALS
        reason = failure_of(error)
        if reason is None or reason == BUSY or self.since <= self.state.turned_at:
            return False
        self._router.failed(self.state, reason)
        return True


class Waiter:
    """One request that waits for a place."""

    __slots__ = ("lease", "without")

    def __init__(self, without: frozenset[str]) -> None:
        self.without = without
        self.lease: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()


class Router:
    """Chooses deployments, bounds what is under way on each and leaves failing ones alone.

    All of it belongs to the event loop; reading `states` is safe from any thread.
    """

    def __init__(self) -> None:
        self._pools: dict[str, Pool] = {}
        # Taken off the catalogue or drained, with requests still under way.
        self._retired: list[DeploymentState] = []

    def follow(self, offered: Mapping[str, Iterable[Target]]) -> None:
        """Takes over a new catalogue: the deployments that may be used, by model.

        One that was edited, so that another engine answers, starts anew; one that is gone gets no more requests.
        """
        known = {state.engine: state for state in self.states()}
        pools: dict[str, Pool] = {}
        for model_id, targets in offered.items():
            pool = pools[model_id] = self._pools.get(model_id) or Pool()
            pool.states = [self._follow_one(known, model_id, target) for target in targets]
            for state in pool.states:
                state.pool = pool
        for state in known.values():
            state.retired = True
        self._retired = [state for state in known.values() if state.outstanding]
        self._pools = pools
        for pool in pools.values():
            if pool.waiting:
                self._serve(pool)

    def _follow_one(
        self, known: dict[tuple[str, ...], DeploymentState], model_id: str, target: Target
    ) -> DeploymentState:
        engine = (target.name, model_id, target.adapter, target.url, target.triton_model, target.triton_version)
        state = known.pop(engine, None)
        if state is None:
            return DeploymentState(target, engine)
        before = state.target
        if state.retired or _how(before) != _how(target):
            state.forgive()
        state.retired = False
        state.target = target
        return state

    def states(self) -> list[DeploymentState]:
        """Of every deployment in use, and of those that still have requests under way."""
        return [state for pool in list(self._pools.values()) for state in pool.states] + list(self._retired)

    async def acquire(self, model_id: str, *, without: frozenset[str] = NOBODY, healthy_only: bool = False) -> Lease:
        """A place for one more request, to be released: on the least busy healthy deployment of the model by weight.

        Where all healthy ones are full, waits in line for up to `settings.DEPLOYMENT_WAIT_SECONDS`. Where none is
        healthy, a failing one is better than nothing, unless `healthy_only`. `without` names deployments that were
        tried. Raises `BackendUnavailable`.
        """
        pool = self._pools.get(model_id)
        if pool is None:
            raise full()
        lease = self._take(pool, without, healthy_only=healthy_only)
        return lease or await self._wait(pool, without, healthy_only)

    def _take(self, pool: Pool, without: frozenset[str], *, healthy_only: bool) -> Lease | None:
        """A free place; none where a healthy deployment is only full, and so worth waiting for."""
        now = time.monotonic()
        best: DeploymentState | None = None
        last_resort: DeploymentState | None = None
        healthy_ones_full = False
        for state in pool.states:
            if without and state.target.name in without:
                continue
            is_full = state.outstanding >= state.target.max_concurrency
            if state.failing_since is None:
                if is_full:
                    healthy_ones_full = True
                elif best is None or _is_better(state, best, now):
                    best = state
            elif not is_full and (last_resort is None or _is_better(state, last_resort, now)):
                last_resort = state
        if best is None and not healthy_ones_full and not healthy_only:
            best = last_resort
        if best is None:
            return None
        best.outstanding += 1
        best.chosen_at = now
        return Lease(self, best, now)

    async def _wait(self, pool: Pool, without: frozenset[str], healthy_only: bool) -> Lease:
        seconds: float = settings.DEPLOYMENT_WAIT_SECONDS
        worth_it = any(state.failing_since is None and state.target.name not in without for state in pool.states)
        # A line longer than the places would mostly wait for nothing.
        if not worth_it or seconds <= 0 or len(pool.waiting) >= pool.places:
            raise full()
        waiter = Waiter(without)
        pool.waiting.append(waiter)
        try:
            async with asyncio.timeout(seconds):
                return await waiter.lease
        except TimeoutError:
            # It may have come at the last moment; or no healthy deployment is left, so that others will do.
            lease = _granted(waiter) or self._take(pool, without, healthy_only=healthy_only)
            if lease is None:
                raise full() from None
            return lease
        except asyncio.CancelledError:
            if (lease := _granted(waiter)) is not None:
                lease.release()
            raise
        finally:
            if waiter in pool.waiting:
                pool.waiting.remove(waiter)

    def _serve(self, pool: Pool) -> None:
        """Gives free places to those who wait, in the order in which they came."""
        for waiter in list(pool.waiting):
            if waiter.lease.done():
                continue
            lease = self._take(pool, waiter.without, healthy_only=True)
            if lease is not None:
                pool.waiting.remove(waiter)
                waiter.lease.set_result(lease)
            elif not waiter.without:
                # Nothing is free for anybody.
                return

    def _release(self, state: DeploymentState) -> None:
        state.outstanding -= 1
        if state.pool.waiting:
            self._serve(state.pool)
        if state.retired and not state.outstanding and state in self._retired:
            self._retired.remove(state)

    def failed(self, state: DeploymentState, reason: str) -> None:
        """It did not answer. Only the first failure counts: a hundred requests that break together are one event."""
        state.last_failure_at = time.time()
        state.last_reason = reason
        if state.failing_since is None:
            state.failing_since = state.last_failure_at
            now = time.monotonic()
            if reason in EXCUSABLE:
                state.pause = 0.0
            elif now - state.turned_at < RELAPSE_SECONDS:
                state.pause = _longer(state.pause)
            else:
                state.pause = FIRST_PAUSE_SECONDS
            state.turned_at = now
            log.warning("deployment_failed", deployment=state.target.name, reason=str(reason), model=state.engine[1])

    def still_failing(self, state: DeploymentState, reason: str) -> None:
        """A probe failed: the next one comes after twice the pause, at most 30 seconds."""
        state.last_failure_at = time.time()
        state.last_reason = reason
        state.probes_failed += 1
        state.pause = _longer(state.pause)

    def recovered(self, state: DeploymentState) -> None:
        """It answers again."""
        state.failing_since = None
        state.refusals = state.probes_failed = 0
        state.last_answer_at = time.time()
        state.turned_at = time.monotonic()
        log.info("deployment_recovered", deployment=state.target.name)
        if state.pool.waiting:
            self._serve(state.pool)


def _is_better(state: DeploymentState, other: DeploymentState, now: float) -> bool:
    """Fewer requests for its weight; among equals the one that was left alone longest, again by weight."""
    weight, others_weight = state.target.weight, other.target.weight
    load, others_load = state.outstanding * others_weight, other.outstanding * weight
    if load != others_load:
        return load < others_load
    return (now - state.chosen_at) * weight > (now - other.chosen_at) * others_weight


def _how(target: Target) -> tuple[object, ...]:
    """What of a deployment, beside its address, may be why it failed."""
    return target.headers, target.options, target.tensor_map


def _longer(pause: float) -> float:
    return min(max(2 * pause, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)


def _granted(waiter: Waiter) -> Lease | None:
    return waiter.lease.result() if waiter.lease.done() and not waiter.lease.cancelled() else None


def full() -> BackendUnavailable:
    """No place is free, or none is there at all."""
    return BackendUnavailable(
        "The model is at its capacity or not deployed at the moment. Please try again.", headers={"retry-after": "1"}
    )


router = Router()
