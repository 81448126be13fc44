"""Telling every process that something has changed, so that none goes on with a snapshot of what was.

Whoever changes a key, an organization or the catalogue announces its kind and its id, and no more. Caches of the same
process hear of it directly, those of others through a channel of Redis (`accounts.subscription` listens there). An
announcement that gets lost costs time, never truth: snapshots end by themselves.
"""

import hmac
import time
from collections.abc import Callable
from functools import lru_cache, partial

import redis
import structlog
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

log = structlog.get_logger(__name__)

KEY = "key"
ORGANIZATION = "organization"
# Models, deployments, grants and prices: read together, so announced together.
CATALOGUE = "catalogue"

# An operator waits for it.
PUBLISH_SECONDS = 0.5
# After a failure: a thousand keys revoked at once must not wait a thousand times.
PAUSE_SECONDS = 1.0

_forgetters: dict[str, Callable[[int], None]] = {}
_clearers: list[Callable[[], None]] = []
_paused_until = float("-inf")
_last_lost = float("-inf")


def listen(kind: str, forget: Callable[[int], None], clear: Callable[[], None]) -> None:
    """From now on, `forget` gets the id of each announcement of `kind`, and `clear` is called when some were missed.

    Both are called from any thread, and return at once.
    """
    _forgetters[kind] = forget
    _clearers.append(clear)


def announce(kind: str, identifier: int = 0) -> None:
    """Has every process forget what it holds of a row, once the present transaction is committed.

    Never fails: what cannot be published is logged, and other processes go on with what they hold until it ends.
    """
    transaction.on_commit(partial(_tell, kind, identifier), robust=True)


def heard(message: bytes) -> None:
    """Applies a message of the channel to this process' caches."""
    kind, _, identifier = message.decode("ascii", "replace").partition(" ")
    forget = _forgetters.get(kind)
    if forget is not None and identifier.isdigit():
        forget(int(identifier))
    else:
        # Of a newer version, say, while processes are replaced one by one.
        missed()


def missed() -> None:
    """Clears every cache: some announcements may have been lost."""
    for clear in _clearers:
        clear()


def channel() -> str:
    """The channel of this installation.

    Channels know nothing of a Redis server's databases, so the name tells two installations on one server apart: by the
    pepper, without which no process could check a key, and by the database's number.
    """
    mark = hmac.digest(settings.API_KEY_PEPPER.encode(), b"announcements", "sha256")[:8].hex()
    number = _client(settings.REDIS_URL).connection_pool.connection_kwargs.get("db") or 0
    return f"hanse:{mark}:{number}:changes"


def lost_since(moment: float) -> bool:
    """Whether an announcement of this process could not be published after `moment` (`time.monotonic`)."""
    return _last_lost >= moment


def _tell(kind: str, identifier: int) -> None:
    if kind in _forgetters:
        _forgetters[kind](identifier)
    if settings.REDIS_URL:
        _publish(f"{kind} {identifier}")


def _publish(message: str) -> None:
    global _paused_until, _last_lost
    if time.monotonic() < _paused_until:
        _last_lost = time.monotonic()
        return
    try:
        _client(settings.REDIS_URL).publish(channel(), message)
    except (redis.RedisError, OSError) as error:
        log.warning("announcement_not_published", component="redis", exc_info=error)
        _last_lost = time.monotonic()
        _paused_until = _last_lost + PAUSE_SECONDS


@lru_cache(maxsize=4)
def _client(url: str) -> redis.Redis:
    # Once more after a connection that broke while it was idle, at once; never after silence.
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return redis.Redis.from_url(
        url, socket_timeout=PUBLISH_SECONDS, socket_connect_timeout=PUBLISH_SECONDS, retry=retry
    )
