"""Requests that a killed process cut off become records all the same."""

from collections.abc import Sequence

import structlog
from django.db import connection, transaction

from billing.entry import UsageEntry
from billing.journal import journal_folder, sweep
from billing.models import Outcome, PriceVersion, TokenSource
from billing.pricing import price_of
from billing.rating import rate, report_unrated
from billing.record_store import insert_all_that_fit, insert_records

BATCH = 256

log = structlog.get_logger(__name__)


def close_interrupted_requests() -> int:
    """Records what dead processes on this host left open, priced by what is known; how many requests.

    Harmless to run at any time and from many processes: a living process' journal is locked, a record that exists stays
    as it is. Raises `OSError` or `django.db.DatabaseError`; the next run takes up where this one failed.
    """
    count = sweep(journal_folder(), _close)
    if count:
        log.warning("interrupted_requests_closed", count=count)
    return count


def _close(entries: list[UsageEntry]) -> None:
    versions = PriceVersion.objects.in_bulk({entry.price_version_id for entry in entries if entry.price_version_id})
    for entry in entries:
        _end(entry)
        version = versions.get(entry.price_version_id) if entry.price_version_id else None
        rate(entry, None if version is None else price_of(version))
        report_unrated(entry)
    for start in range(0, len(entries), BATCH):
        # Durable: the journal goes when this returns, so it must not be part of a transaction that may yet fail.
        with transaction.atomic(durable=True):
            refused = insert_all_that_fit(_insert, entries[start : start + BATCH])
        for entry in refused:
            log.error("usage_record_refused", request_id=str(entry.id), model=entry.model_id)


def _insert(entries: Sequence[UsageEntry]) -> int:
    # A savepoint: what is refused must not end the transaction around it.
    with transaction.atomic():
        return insert_records(connection, entries)


def _end(entry: UsageEntry) -> None:
    if entry.outcome in (Outcome.FAILED, Outcome.CANCELLED):
        return
    if entry.outcome == Outcome.INTERRUPTED and entry.token_source != TokenSource.NONE:
        # Cut off between two notes: the counts are those of the last one.
        entry.token_source = TokenSource.ESTIMATED
    # Completed by the engine, but its record was never committed, so that the client never saw the end.
    entry.outcome = Outcome.INTERRUPTED
