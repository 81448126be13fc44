"""The journal of requests in flight: what a killed process had begun, so that it can still be closed and priced.

One file for each process below `var/journal/` (`billing.owned_files`). A line is a `UsageEntry` as it stands (the last
one of an id counts) or the ids of requests whose records are safe. Written without fsync: it outlives a killed process,
not a lost machine. Ids, counts and times, never content.
"""

import os
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from billing.entry import UsageEntry
from billing.owned_files import create, database_folder, in_order, remove_stale_drafts, take

# Beyond this size a file is emptied, or rewritten with what is still open.
MAX_BYTES = 1024 * 1024

log = structlog.get_logger(__name__)


class Ended(Struct, gc=False):
    """Requests whose records are in the database or in the spool."""

    ended: list[uuid.UUID]


_encode = msgspec.json.Encoder().encode
_decode_entry = msgspec.json.Decoder(UsageEntry).decode
_decode_ended = msgspec.json.Decoder(Ended).decode


def journal_folder() -> Path:
    """Where this installation keeps the journals of its present database."""
    return database_folder("journal")


class Journal:
    """This process' journal. For one thread; each note is a single `write` to a file opened for appending."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        """Makes the folder (mode 0700) and the file (0600). Raises `OSError`."""
        self._folder = folder
        self._max_bytes = self._limit = max_bytes
        self._open: dict[uuid.UUID, UsageEntry] = {}
        self._torn = False
        self._size = 0
        self._path, self._file = create(folder, flags=os.O_APPEND)

    @property
    def path(self) -> Path:
        """The file that is written at the moment."""
        return self._path

    def __contains__(self, request_id: uuid.UUID) -> bool:
        """Whether the request was noted and has not ended."""
        return request_id in self._open

    def note(self, entry: UsageEntry) -> None:
        """The request is in flight, with the counts of `entry` so far. Raises `OSError` (a full disk)."""
        self._append(_encode(entry) + b"\n")
        self._open[entry.id] = entry

    def end(self, ids: Iterable[uuid.UUID]) -> None:
        """The records of these requests are safe; ids that were never noted are passed over. Raises `OSError`."""
        ended = [request_id for request_id in ids if self._open.pop(request_id, None) is not None]
        if ended:
            self._append(_encode(Ended(ended)) + b"\n")
            if self._size > self._limit:
                self._shrink()

    def close(self) -> None:
        """Gives the file up: removed when nothing is open, otherwise left to the sweep."""
        if not self._open:
            self._path.unlink(missing_ok=True)
        os.close(self._file)
        # The number may soon be another file's.
        self._file = -1

    def _append(self, line: bytes) -> None:
        # After a write that a full disk cut short, a fresh line.
        line = b"\n" + line if self._torn else line
        self._torn = True
        written = os.write(self._file, line)
        self._torn = written < len(line)
        self._size += written
        if self._torn:
            raise OSError("The journal could not be written in full.")

    def _shrink(self) -> None:
        if not self._open:
            os.ftruncate(self._file, 0)
            self._size = 0
            self._limit = self._max_bytes
            return
        # Into a new file first: at no moment is an open request without a note.
        old_path, old_file = self._path, self._file
        content = b"".join(_encode(entry) + b"\n" for entry in self._open.values())
        self._path, self._file = create(self._folder, content, flags=os.O_APPEND)
        self._size = len(content)
        self._torn = False
        self._limit = max(self._max_bytes, 2 * self._size)
        old_path.unlink(missing_ok=True)
        os.close(old_file)


def sweep(folder: Path, close: Callable[[list[UsageEntry]], None]) -> int:
    """Hands what dead processes left open to `close`, a file at a time, and removes each file after; how many entries.

    `close` must have committed when it returns, and must bear the same entry twice: a sweep that dies between the two
    leaves the file for the next one.
    """
    count = 0
    for path in in_order(folder):
        file = take(path)
        if file is None:
            continue
        try:
            entries = _still_open(path)
            if entries:
                close(entries)
                count += len(entries)
            path.unlink()
        finally:
            os.close(file)
    remove_stale_drafts(folder)
    return count


def _still_open(path: Path) -> list[UsageEntry]:
    entries: dict[uuid.UUID, UsageEntry] = {}
    unreadable = 0
    with path.open("rb") as lines:
        for line in lines:
            try:
                if line.startswith(b'{"ended"'):
                    for request_id in _decode_ended(line).ended:
                        entries.pop(request_id, None)
                elif line.strip():
                    entry = _decode_entry(line)
                    entries[entry.id] = entry
            except msgspec.DecodeError:
                unreadable += 1
    if unreadable:
        log.warning("journal_lines_unreadable", count=unreadable)
    return list(entries.values())
