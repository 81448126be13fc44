"""Requests that a killed process cut off become records all the same."""

import structlog

from billing.entry import UsageEntry
from billing.journal import journal_folder, sweep
from billing.models import Outcome, PriceVersion, TokenSource
from billing.pricing import price_of
from billing.rating import rate, report_unrated
from billing.services.recording import record_all

log = structlog.get_logger(__name__)


def close_interrupted_requests() -> int:
    """Records what dead processes on this host left open, priced by what is known; how many requests.

    Harmless to run at any time and from many processes: a living process' journal is locked, a record that exists stays
    as it is. Best run after `replay_spools`, whose records tell more of the same requests. Raises `OSError` or
    `django.db.Error`; the next run takes up where this one failed.
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
    record_all(entries)


def _end(entry: UsageEntry) -> None:
    if entry.outcome in (Outcome.FAILED, Outcome.CANCELLED):
        return
    if entry.outcome == Outcome.INTERRUPTED and entry.token_source != TokenSource.NONE:
        # Cut off between two notes: the counts are those of the last one.
        entry.token_source = TokenSource.ESTIMATED
    # Completed by the engine, but its record was never committed, so that the client never saw the end.
    entry.outcome = Outcome.INTERRUPTED
