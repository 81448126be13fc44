"""Records that dead processes left in their spools."""

import os
from pathlib import Path

import structlog
from msgspec import Struct

from billing.owned_files import in_order, remove_stale_drafts, take
from billing.services.recording import record_all
from billing.spool import ASIDE, pages, set_aside, spool_folder

log = structlog.get_logger(__name__)


class Replayed(Struct):
    """What a replay did: spools emptied and records in them, and what is left.

    `aside` counts the records that the database refused for good or that cannot be read; `held` the spools of living
    processes, which replay them themselves.
    """

    spools: int = 0
    records: int = 0
    aside: int = 0
    held: int = 0


def replay_spools(folder: Path | None = None) -> Replayed:
    """Records what dead processes on this host spooled, in the order in which they did; removes each spool after.

    `folder`: another database's spools, for the case that it has moved. Harmless to run at any time and from many
    processes. Raises `OSError` or `django.db.Error`; the next run begins with the spool that failed.
    """
    folder = folder or spool_folder()
    done = Replayed()
    for path in in_order(folder):
        file = take(path)
        if file is None:
            done.held += path.exists()
            continue
        try:
            for page in pages(file):
                done.aside += record_all(page.entries) + len(page.unreadable)
                done.records += len(page.entries)
                page.entries.clear()
                set_aside(spool_folder(), page)
            path.unlink()
            done.spools += 1
        finally:
            os.close(file)
    remove_stale_drafts(folder)
    if done.spools:
        log.warning("spools_replayed", count=done.spools, records=done.records)
    return done


def set_aside_count() -> int:
    """How many records wait for a person, because the database refused them or they cannot be read."""
    try:
        return (spool_folder() / ASIDE).read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def spools_of_other_databases() -> dict[str, int]:
    """Folders with spools of databases that are not the configured one, and how many; one may be its former address."""
    own = spool_folder()
    if not own.parent.is_dir():
        return {}
    others = {folder.name: len(in_order(folder)) for folder in own.parent.iterdir() if folder.name != own.name}
    return {name: count for name, count in sorted(others.items()) if count}
