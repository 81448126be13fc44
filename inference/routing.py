"""Which deployment answers: the least busy by weight of those that work."""

import time
from collections.abc import Iterable

import structlog

from inference.errors import BackendUnavailable
from inference.generation import Target

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


class DeploymentState:
    """What this process knows of one deployment."""

    __slots__ = ("failures", "outstanding", "paused_until")

    def __init__(self) -> None:
        self.outstanding = 0
        self.failures = 0
        self.paused_until = 0.0


class Router:
    """Chooses deployments, bounds what is under way on each and leaves failing ones alone for a while."""

    def __init__(self) -> None:
        self._states: dict[str, DeploymentState] = {}

    def state(self, name: str) -> DeploymentState:
        """The state of the deployment `name`."""
        found = self._states.get(name)
        if found is None:
            found = self._states[name] = DeploymentState()
        return found

    def acquire(self, targets: Iterable[Target], *, without: frozenset[str] = frozenset()) -> Target:
        """The deployment for one more request, counted until `release`.

        Failing ones are tried only when no other is left. Raises `BackendUnavailable` where none is, or all are full.
        """
        now = time.monotonic()
        free = [
            (target, state)
            for target in targets
            if target.name not in without and (state := self.state(target.name)).outstanding < target.max_concurrency
        ]
        if not free:
            raise BackendUnavailable(
                "The model is at its capacity or not deployed at the moment. Please try again.",
                headers={"retry-after": "1"},
            )
        target, state = min(
            free, key=lambda pair: (pair[1].paused_until > now, pair[1].outstanding / pair[0].weight, -pair[0].weight)
        )
        state.outstanding += 1
        return target

    def release(self, target: Target) -> None:
        """The request is over."""
        self.state(target.name).outstanding -= 1

    def succeeded(self, target: Target) -> None:
        """It answered."""
        state = self.state(target.name)
        if state.failures:
            state.failures, state.paused_until = 0, 0.0
            log.info("deployment_recovered", deployment=target.name)

    def failed(self, target: Target) -> None:
        """It did not answer: others come first for 1, 2, 4 … at most 30 seconds."""
        state = self.state(target.name)
        state.failures += 1
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (state.failures - 1), LONGEST_PAUSE_SECONDS)
        state.paused_until = time.monotonic() + pause
        log.warning("deployment_failed", deployment=target.name, failures=state.failures)


router = Router()
