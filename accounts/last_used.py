"""When each key was last used, to the minute, written in batches away from the request."""

import time
from datetime import UTC, datetime

from django.db.models import Q

from accounts.database_thread import in_database_thread
from accounts.models import ApiKey

BATCH = 500  # ids in one statement; SQLite's oldest limit on parameters is 999

_minutes: dict[int, int] = {}


def note(key_id: int) -> None:
    """Remembers that a key was used now: one write to a dict."""
    _minutes[key_id] = int(time.time() // 60)


async def flush() -> int:
    """Writes what was noted since the last flush; returns the number of keys.

    After an error they wait for the next flush.
    """
    return await in_database_thread(_flush)


def _flush() -> int:
    noted: dict[int, int] = {}
    # One by one: each removal is atomic, so that a note taken meanwhile by the event loop's thread is not lost.
    while _minutes:
        key_id, minute = _minutes.popitem()
        noted[key_id] = max(minute, noted.get(key_id, 0))
    try:
        _write(noted)
    except BaseException:
        for key_id, minute in noted.items():
            _minutes.setdefault(key_id, minute)
        raise
    return len(noted)


def _write(noted: dict[int, int]) -> None:
    by_minute: dict[int, list[int]] = {}
    for key_id, minute in noted.items():
        by_minute.setdefault(minute, []).append(key_id)
    for minute, key_ids in by_minute.items():
        moment = datetime.fromtimestamp(minute * 60, UTC)
        # Other processes note the same keys: time only goes forward, and an equal minute costs no write.
        older = Q(last_used_at__isnull=True) | Q(last_used_at__lt=moment)
        for start in range(0, len(key_ids), BATCH):
            ApiKey.objects.filter(older, pk__in=key_ids[start : start + BATCH]).update(last_used_at=moment)
