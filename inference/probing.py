"""Trying out deployments that failed: one request of a token or an item after a pause, and another after a longer one.

A probe is real work, since Triton calls a model ready whose engine is dead. It is our own request, not a
customer's, which a frozen engine would hold for minutes (decision 0016).
"""

import asyncio
import random
from contextlib import aclosing, suppress

from accounts.errors import ApiError
from inference.backends import BACKENDS, TENSOR_BACKENDS
from inference.catalogue import catalogue
from inference.deadline import Deadline
from inference.deployment_state import DeploymentState
from inference.failures import BUSY, Reason, failure_of
from inference.generation import Generation, Sampling, Target
from inference.routing import router
from inference.trial_values import trial_values

PROBE_SECONDS = 10.0
# A picture takes its time, even a small one of one step.
TENSOR_PROBE_SECONDS = 30.0
PROBE = Generation(
    request_id="probe", prompt="Hello", prompt_tokens=1, max_tokens=1, sampling=Sampling(temperature=0.0)
)

_watchers: "set[asyncio.Task[None]]" = set()


def watch(state: DeploymentState) -> None:
    """Tries the deployment out until it works; harmless where that is under way already."""
    if state.watched:
        return
    state.watched = True
    task = asyncio.get_running_loop().create_task(_watch(state))
    _watchers.add(task)
    task.add_done_callback(_watchers.discard)


async def _watch(state: DeploymentState) -> None:
    try:
        if state.failing_since is None:
            # Only a suspicion: it goes on answering while we find out.
            reason = await try_out(state.target)
            if reason is None:
                state.refusals = 0
                return
            router.failed(state, reason)
        while True:
            # Processes that lost it together shall not come back together.
            await asyncio.sleep(state.pause * random.uniform(0.9, 1.1))  # noqa: S311
            with suppress(ApiError):
                # What was drained, changed or deleted meanwhile is not asked any more.
                await catalogue.current()
            if state.retired or state.failing_since is None:
                return
            reason = await try_out(state.target)
            if state.failing_since is None:
                return
            if reason is None:
                router.recovered(state)
                return
            router.still_failing(state, reason)
    finally:
        state.watched = False


async def try_out(target: Target) -> str | None:
    """Has the engine generate one token, or work on one item; the reason where it does not within ten seconds or 30."""
    seconds = PROBE_SECONDS if target.tensor_map is None else TENSOR_PROBE_SECONDS
    try:
        with Deadline(first=seconds, idle=seconds, total=seconds) as deadline:
            deadline.wait()
            if target.tensor_map is not None:
                await TENSOR_BACKENDS[target.adapter].infer(trial_values(target.tensor_map), target)
            else:
                async with aclosing(BACKENDS[target.adapter].stream(PROBE, target)) as events:
                    async for _ in events:
                        pass
    except ApiError as error:
        reason = failure_of(error)
        # An engine with a full queue works. One that refuses a simple request does not.
        return None if reason == BUSY else reason or Reason.ENGINE_ERROR
    return None
