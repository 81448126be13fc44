"""Records of other processes into the database, apart from any writer."""

from collections.abc import Sequence

from django.db import connection, transaction

from billing.entry import UsageEntry
from billing.record_store import insert_all_that_fit, insert_records
from billing.spool import Page, set_aside, spool_folder

BATCH = 256


def record_all(entries: Sequence[UsageEntry]) -> int:
    """Commits the entries, those that are there already as they are there; how many the database refuses for good.

    Those are kept in the spools' folder, where a person finds them. Raises `OSError` or `django.db.Error`.
    """
    count = 0
    for start in range(0, len(entries), BATCH):
        # Durable: what the entries come from goes when this returns, so it must not be part of a transaction that may
        # yet fail.
        with transaction.atomic(durable=True):
            refused = insert_all_that_fit(_insert, entries[start : start + BATCH])
        set_aside(spool_folder(), Page(refused, [], 0))
        count += len(refused)
    return count


def _insert(entries: Sequence[UsageEntry]) -> int:
    # A savepoint: what is refused must not end the transaction around it.
    with transaction.atomic():
        return insert_records(connection, entries)
