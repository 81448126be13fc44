"""Hearing what other processes announce: one task in each web process."""

import asyncio
import random
from contextlib import aclosing

import redis
import redis.asyncio
import structlog
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from accounts import announcements
from accounts.cancellation import stop_if_cancelled

log = structlog.get_logger(__name__)

# Half-open connections tell nothing by themselves: after this long without a word we ask, and after so many questions
# without an answer the connection is dead.
QUIET_SECONDS = 1.0
UNANSWERED = 3
SOCKET_SECONDS = 2.0
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 0.1, 2.0


class Subscription:
    """The channel, heard again and again whatever happens to the connection.

    Each time it is heard anew, every cache is cleared: what was announced in between is lost.
    """

    def __init__(self, url: str, channel: str, *, quiet_seconds: float = QUIET_SECONDS) -> None:
        """`url` is the Redis server's. Without a word for four times `quiet_seconds` the connection is given up."""
        self.url = url
        self.channel = channel
        self.quiet_seconds = quiet_seconds
        self.lost = False
        self._delay = FIRST_DELAY_SECONDS

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self._hear()
            except Exception as error:
                stop_if_cancelled()
                if not self.lost:
                    log.warning("announcements_lost", component="redis", exc_info=error)
                self.lost = True
            # Processes that lost the server together shall not come back together.
            await asyncio.sleep(self._delay * random.uniform(0.5, 1.0))  # noqa: S311
            self._delay = min(2 * self._delay, LONGEST_DELAY_SECONDS)

    async def _hear(self) -> None:
        # No retries: they would connect anew without our noticing.
        client = redis.asyncio.Redis.from_url(
            self.url,
            socket_timeout=SOCKET_SECONDS,
            socket_connect_timeout=SOCKET_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        async with aclosing(client), aclosing(client.pubsub()) as pubsub:
            await pubsub.subscribe(self.channel)
            unanswered = 0
            while True:
                message = await pubsub.get_message(timeout=self.quiet_seconds)
                stop_if_cancelled()
                if message is None:
                    if unanswered == UNANSWERED:
                        raise redis.TimeoutError("The server does not answer.")
                    unanswered += 1
                    await pubsub.ping()
                    continue
                unanswered = 0
                if message["type"] == "subscribe":
                    self._back()
                elif message["type"] == "message":
                    announcements.heard(message["data"])

    def _back(self) -> None:
        announcements.missed()
        if self.lost:
            log.info("announcements_back", component="redis")
        self.lost = False
        self._delay = FIRST_DELAY_SECONDS


async def hear_announcements() -> None:
    """Keeps this process' caches in step with other processes, until it is cancelled; without Redis there are none."""
    if settings.REDIS_URL:
        await Subscription(settings.REDIS_URL, announcements.channel()).run()
