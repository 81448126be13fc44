"""What a web process knows of a deployment, and of the deployments of a model together."""

from collections import deque
from typing import Any

from inference.generation import Target


class DeploymentState:
    """What this process knows of one deployment. Times are Unix seconds unless they say otherwise."""

    __slots__ = (
        "chosen_at",
        "engine",
        "failing_since",
        "last_answer_at",
        "last_failure_at",
        "last_reason",
        "outstanding",
        "pause",
        "pool",
        "probes_failed",
        "refusals",
        "retired",
        "target",
        "turned_at",
        "watched",
    )

    def __init__(self, target: Target, engine: tuple[str, ...]) -> None:
        self.target = target
        self.engine = engine
        self.pool = Pool()
        self.outstanding = 0
        self.chosen_at = float("-inf")  # monotonic
        self.last_answer_at: float | None = None
        self.retired = self.watched = False
        self.forgive()

    def forgive(self) -> None:
        """Forgets its failures: it is another engine now, or was seen to."""
        self.failing_since: float | None = None
        self.last_failure_at: float | None = None
        self.last_reason = ""
        self.pause = 0.0
        self.refusals = self.probes_failed = 0
        # When it began to fail, or worked again (monotonic); what began before proves nothing any more.
        self.turned_at = float("-inf")


class Pool:
    """The deployments of one model, and the requests (`routing.Waiter`) that wait for a place, the first in front."""

    __slots__ = ("states", "waiting")

    def __init__(self) -> None:
        self.states: list[DeploymentState] = []
        self.waiting: deque[Any] = deque()

    @property
    def places(self) -> int:
        """Requests that all deployments together take at once."""
        return sum(state.target.max_concurrency for state in self.states)
