"""The journal of requests in flight: what a killed process had begun, so that it can still be closed and priced.

One file for each process under `var/journal/<database>/`, held with `flock` as long as the process lives. A line is a
`UsageEntry` as it stands (the last one of an id counts) or the ids of requests whose records are committed. Written
without fsync: it outlives a killed process, not a lost machine. Ids, counts and times, never content.
"""

import fcntl
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import structlog
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from msgspec import Struct

from billing.entry import UsageEntry

# Beyond this size a file is emptied, or rewritten with what is still open.
MAX_BYTES = 1024 * 1024
# A file under this name is not locked yet; older than the seconds below, its maker died before it could.
DRAFT = ".draft"
DRAFT_SECONDS = 60

log = structlog.get_logger(__name__)


class Ended(Struct, gc=False):
    """Requests whose records are in the database."""

    ended: list[uuid.UUID]


_encode = msgspec.json.Encoder().encode
_decode_entry = msgspec.json.Decoder(UsageEntry).decode
_decode_ended = msgspec.json.Decoder(Ended).decode


def journal_folder() -> Path:
    """Where this installation keeps the journals of its present database.

    By database, because a sweep writes into the one that is configured: what was begun with another one is not its own.
    """
    database = connections[DEFAULT_DB_ALIAS].settings_dict
    name = "|".join(str(database[part]) for part in ("ENGINE", "HOST", "PORT", "NAME"))
    return Path(settings.VAR_DIR) / "journal" / hashlib.sha256(name.encode()).hexdigest()[:12]


class Journal:
    """This process' journal. For one thread; each note is a single `write` to a file opened for appending."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        """Makes the folder (mode 0700) and the file (0600). Raises `OSError`."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._max_bytes = self._limit = max_bytes
        self._open: dict[uuid.UUID, UsageEntry] = {}
        self._torn = False
        self._size = 0
        self._path, self._file = self._create(b"")

    @property
    def path(self) -> Path:
        """The file that is written at the moment."""
        return self._path

    def note(self, entry: UsageEntry) -> None:
        """The request is in flight, with the counts of `entry` so far. Raises `OSError` (a full disk)."""
        self._open[entry.id] = entry
        self._append(_encode(entry) + b"\n")

    def end(self, ids: Iterable[uuid.UUID]) -> None:
        """The records of these requests are committed; ids that were never noted are passed over. Raises `OSError`."""
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
        self._path, self._file = self._create(b"".join(_encode(entry) + b"\n" for entry in self._open.values()))
        self._limit = max(self._max_bytes, 2 * self._size)
        old_path.unlink(missing_ok=True)
        os.close(old_file)

    def _create(self, content: bytes) -> tuple[Path, int]:
        """A new file with `content`, locked before a sweep can see it under its name."""
        path = self._folder / f"{os.getpid()}-{time.time_ns()}.jsonl"
        draft = path.with_suffix(DRAFT)
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.write(file, content) < len(content):
                raise OSError("The journal could not be written in full.")
            draft.rename(path)
        except OSError:
            os.close(file)
            draft.unlink(missing_ok=True)
            raise
        self._size = len(content)
        self._torn = False
        return path, file


def sweep(folder: Path, close: Callable[[list[UsageEntry]], None]) -> int:
    """Hands what dead processes left open to `close`, a file at a time, and removes each file after; how many entries.

    `close` must have committed when it returns, and must bear the same entry twice: a sweep that dies between the two
    leaves the file for the next one.
    """
    count = 0
    for path in sorted(folder.glob("*.jsonl")):
        file = _take(path)
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
    for draft in folder.glob(f"*{DRAFT}"):
        _remove_stale(draft)
    return count


def _take(path: Path) -> int | None:
    """The locked file of a dead process; None while its process lives or when another sweep was faster."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Locked, but possibly after another sweep removed it.
        if os.fstat(file).st_nlink:
            return file
    except BlockingIOError:
        pass
    os.close(file)
    return None


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


def _remove_stale(draft: Path) -> None:
    try:
        if time.time() - draft.stat().st_mtime > DRAFT_SECONDS:
            draft.unlink()
    except FileNotFoundError:
        pass
