"""`/healthz`: this process answers. `/readyz`: it can also serve, or which of its parts cannot."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import redis.asyncio
import structlog
from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import sync_and_async_middleware

from inference.lifecycle import draining
from inference.selectors import healthy_deployments

log = structlog.get_logger(__name__)

PROBE_SECONDS = 3.0
# Probes come from several load balancers at once; the engines need not hear of each.
FRESH_SECONDS = 1.0


@sync_and_async_middleware
def health_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Answers the two probes before any other middleware sees them."""
    if iscoroutinefunction(get_response):

        async def answer(request: HttpRequest) -> Any:
            view = PROBES.get(request.path)
            return await (view(request) if view else get_response(request))

        return answer

    def answer_sync(request: HttpRequest) -> Any:
        view = PROBES.get(request.path)
        return async_to_sync(view)(request) if view else get_response(request)

    return answer_sync


async def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process runs its event loop."""
    return uncached(JsonResponse({"status": "ok"}))


async def readyz(request: HttpRequest) -> HttpResponse:
    """200 when every part works, 503 otherwise; the body says `ok` or `failed` for each, and no more.

    503 also from the moment this process was told to end, while it still answers: balancers shall go elsewhere.
    """
    if draining.is_set():
        return unready({"status": "draining"})
    parts = await readiness.get()
    ready = all(parts.values())
    body = {
        "status": "ready" if ready else "not ready",
        "checks": {name: "ok" if works else "failed" for name, works in parts.items()},
    }
    return uncached(JsonResponse(body)) if ready else unready(body)


def unready(body: dict[str, Any]) -> HttpResponse:
    """A 503 of which Django logs nothing, as it would at every probe; `Readiness` says once what is new."""
    response = JsonResponse(body, status=503)
    response._has_been_logged = True  # type: ignore[attr-defined]
    return uncached(response)


def uncached(response: HttpResponse) -> HttpResponse:
    """`response`, which no proxy may keep."""
    response["Cache-Control"] = "no-store"
    return response


class Readiness:
    """What works, probed at most once in `FRESH_SECONDS`, however many ask."""

    def __init__(self) -> None:
        self.parts: dict[str, bool] = {}
        self.probed_at = float("-inf")

    async def get(self) -> dict[str, bool]:
        """The name of each part and whether it works."""
        if time.monotonic() - self.probed_at >= FRESH_SECONDS:
            probes = {"database": database_answers, "deployments": a_deployment_is_healthy}
            if settings.REDIS_URL:
                probes["redis"] = redis_answers
            works = await asyncio.gather(*(self.try_out(name, probe) for name, probe in probes.items()))
            self.parts = dict(zip(probes, works, strict=True))
            self.probed_at = time.monotonic()
        return self.parts

    async def try_out(self, name: str, probe: Callable[[], Awaitable[bool]]) -> bool:
        """Whether `probe` says yes in time; a failure is logged when it is new."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                works = await probe()
        except Exception as error:
            if self.parts.get(name, True):
                log.warning("readiness probe failed", component=name, exc_info=error)
            return False
        if not works and self.parts.get(name, True):
            log.warning("not ready", component=name)
        return works


async def database_answers() -> bool:
    """A round trip to the database, in a thread of its own."""
    return await sync_to_async(select_one, thread_sensitive=False)()


def select_one() -> bool:
    """`SELECT 1`; the connection goes back at once, since this thread may never run again."""
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


async def redis_answers() -> bool:
    """A round trip to Redis."""
    async with redis.asyncio.from_url(settings.REDIS_URL, socket_timeout=PROBE_SECONDS) as client:
        return bool(await client.ping())


async def a_deployment_is_healthy() -> bool:
    """Whether some model can be answered at all."""
    return bool(await healthy_deployments())


readiness = Readiness()
PROBES: dict[str, Callable[[HttpRequest], Awaitable[HttpResponse]]] = {"/healthz": healthz, "/readyz": readyz}
