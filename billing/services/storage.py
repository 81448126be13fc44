"""Room for the usage records to come."""

from datetime import datetime

from django.db import connection
from django.utils import timezone

from billing.partitions import create_partitions


def ensure_partitions(*, now: datetime | None = None) -> list[str]:
    """Makes the missing monthly partitions from `now` (default: this moment) on; their names.

    None on SQLite. Raises `django.db.OperationalError` when a long read holds the table: the next call tries again, and
    records meanwhile fall into the DEFAULT partition.
    """
    return create_partitions(connection, now=now or timezone.now())
