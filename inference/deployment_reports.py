"""What all web processes know of the deployments, for the admin.

Each process tells the others through Redis every two seconds while it has something to tell, and a last time before it
rests. Without Redis there is one process, which looks at itself.
"""

import asyncio
import secrets
import time
from contextlib import aclosing

import msgspec
import redis
import redis.asyncio
import structlog
from django.conf import settings
from msgspec import Struct

from accounts.cancellation import stop_if_cancelled
from inference.routing import Router, router

log = structlog.get_logger(__name__)

REPORT_SECONDS = 2.0
# How long a report is believed: of a busy process a few seconds, for it may be killed; of one that rests a day.
BUSY_TTL_SECONDS = 10
RESTING_TTL_SECONDS = 24 * 3600
REDIS_SECONDS = 1.0
# A sorted set of the processes that report, by when they last did; each has its report beside it.
PROCESSES = "hanse:deployment-reports"


class Report(Struct):
    """One deployment as one process sees it. Times are Unix seconds."""

    name: str
    under_way: int
    failing_since: float | None
    reason: str
    last_failure_at: float | None
    last_answer_at: float | None


class Status(Struct):
    """One deployment as all processes see it: `failing` of the `processes` that know of it call it failing."""

    processes: int = 0
    failing: int = 0
    under_way: int = 0
    failing_since: float | None = None
    reason: str = ""
    last_failure_at: float | None = None
    last_answer_at: float | None = None

    def add(self, report: Report) -> None:
        """Takes in what one more process says."""
        self.processes += 1
        self.under_way += report.under_way
        if report.failing_since is not None:
            self.failing += 1
            self.failing_since = min(self.failing_since or report.failing_since, report.failing_since)
        if report.last_failure_at is not None and report.last_failure_at >= (self.last_failure_at or 0.0):
            self.last_failure_at, self.reason = report.last_failure_at, report.reason
        if report.last_answer_at is not None:
            self.last_answer_at = max(self.last_answer_at or 0.0, report.last_answer_at)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Report]).decode


def own_reports(router: Router) -> list[Report]:
    """What this process knows; callable from any thread."""
    found: dict[str, Report] = {}
    for state in router.states():
        name = state.target.name
        if name in found:
            # Requests to the engine that it had before it was edited.
            found[name].under_way += state.outstanding
            continue
        found[name] = Report(
            name, state.outstanding, state.failing_since, state.last_reason, state.last_failure_at, state.last_answer_at
        )
    return list(found.values())


class Reporter:
    """Tells the other processes, through Redis, as long as there is something to tell."""

    def __init__(self, router: Router, process: str) -> None:
        self.process = process
        self._router = router
        self._task: asyncio.Task[None] | None = None
        self._silent = False

    def wake(self) -> None:
        """Reports from now on until nothing happens any more."""
        if settings.REDIS_URL and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        # Whoever wakes us does so with each new catalogue: only after that long is it really quiet.
        rest_after = 2 * settings.CATALOGUE_TTL_SECONDS + REPORT_SECONDS
        last: list[Report] = []
        changed_at = time.monotonic()
        async with aclosing(_client()) as client:
            while True:
                reports = own_reports(self._router)
                busy = any(report.under_way or report.failing_since for report in reports)
                if busy or reports != last:
                    last, changed_at = reports, time.monotonic()
                resting = time.monotonic() - changed_at > rest_after
                await self._publish(client, reports, RESTING_TTL_SECONDS if resting else BUSY_TTL_SECONDS)
                stop_if_cancelled()
                if resting:
                    return
                await asyncio.sleep(REPORT_SECONDS)

    async def _publish(self, client: "redis.asyncio.Redis", reports: list[Report], ttl: int) -> None:
        now = time.time()
        try:
            async with client.pipeline(transaction=True) as commands:
                commands.set(f"{PROCESSES}:{self.process}", _encode(reports), ex=ttl)
                commands.zadd(PROCESSES, {self.process: now})
                commands.zremrangebyscore(PROCESSES, 0, now - RESTING_TTL_SECONDS)
                commands.expire(PROCESSES, RESTING_TTL_SECONDS)
                await commands.execute()
            self._silent = False
        except (redis.RedisError, OSError) as error:
            if not self._silent:
                log.warning("deployment_states_not_published", component="redis", exc_info=error)
            self._silent = True


def _client() -> "redis.asyncio.Redis":
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
        settings.REDIS_URL, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )
    return client


def statuses() -> dict[str, Status] | None:
    """Every deployment that some process knows, by name; None where the processes cannot be asked. Blocks."""
    known = [own_reports(router)]
    if settings.REDIS_URL:
        try:
            known += _others()
        except (redis.RedisError, OSError, msgspec.DecodeError):
            return None
    found: dict[str, Status] = {}
    for reports in known:
        for report in reports:
            found.setdefault(report.name, Status()).add(report)
    return found


def _others() -> list[list[Report]]:
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    ) as client:
        processes = [name.decode() for name in client.zrange(PROCESSES, 0, -1)]
        keys = [f"{PROCESSES}:{name}" for name in processes if name != reporter.process]
        return [_decode(reports) for reports in (client.mget(keys) if keys else []) if reports is not None]


reporter = Reporter(router, secrets.token_hex(8))
