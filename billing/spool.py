"""The spool: usage records that wait on disk, in order, until the database takes them.

One file for each process that needed one, below `var/spool/` (`billing.owned_files`). A line is a `UsageEntry`; what
`append` has returned from outlives a lost machine. A file is read from its beginning after a restart: a record that the
database has already stays as it is there. Ids, counts and times, never content.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from billing.entry import UsageEntry
from billing.owned_files import create, database_folder, make_folder

# About 256 records, which are one statement.
PAGE_BYTES = 128 * 1024
# What must still fit on the disk before it counts as one that can be written again.
ROOM_BYTES = 64 * 1024
# Lines that the database refuses for good, and lines that cannot be read; no suffix of a spool's.
ASIDE = "aside.txt"

log = structlog.get_logger(__name__)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(UsageEntry).decode


class Page(Struct):
    """Records that lie behind each other in a spool, and where the next ones begin."""

    entries: list[UsageEntry]
    unreadable: list[bytes]
    next: int


def spool_folder() -> Path:
    """Where this installation keeps the spools of its present database."""
    return database_folder("spool")


def read_page(file: int, begin: int, end: int) -> Page:
    """The records between `begin` and `end`, at most `PAGE_BYTES` of them. Raises `OSError`."""
    content = os.pread(file, min(PAGE_BYTES, end - begin), begin)
    whole = content.rfind(b"\n") + 1
    # The end of a file without a line's end was torn off; within one, it is no line of ours.
    whole = whole or len(content)
    page = Page([], [], begin + whole)
    for line in content[:whole].splitlines():
        if line:
            try:
                page.entries.append(_decode(line))
            except msgspec.MsgspecError:
                page.unreadable.append(line)
    return page


def pages(file: int) -> Iterator[Page]:
    """All of a dead process' spool. Raises `OSError`."""
    begin, end = 0, os.fstat(file).st_size
    while begin < end:
        page = read_page(file, begin, end)
        begin = page.next
        yield page


def set_aside(folder: Path, page: Page) -> None:
    """Keeps what can be neither recorded nor read where a person finds it, and says so. Raises `OSError`."""
    lines = [*map(_encode, page.entries), *page.unreadable]
    if not lines:
        return
    make_folder(folder)
    file = os.open(folder / ASIDE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        content = b"".join(line + b"\n" for line in lines)
        if os.write(file, content) < len(content):
            raise OSError("Records could not be set aside in full.")
        os.fsync(file)
    finally:
        os.close(file)
    for entry in page.entries:
        log.error("usage_record_refused", request_id=str(entry.id), model=entry.model_id)
    if page.unreadable:
        log.error("spool_lines_unreadable", count=len(page.unreadable))


class Spool:
    """This process' spool; its file is made when it is needed and removed when it is empty. For one thread at a time.

    Records are read in the order in which they were appended; `drained` when all were.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._file = -1
        self._size = self._read = 0

    @property
    def drained(self) -> bool:
        """Whether nothing waits."""
        return self._read == self._size

    @property
    def waiting_bytes(self) -> int:
        """How much waits."""
        return self._size - self._read

    def append(self, entries: Sequence[UsageEntry]) -> None:
        """One write and one fsync; all are safe when it returns, none counts when it raises `OSError`."""
        self._write(b"".join(_encode(entry) + b"\n" for entry in entries))

    def try_out(self) -> None:
        """Raises `OSError` while the disk takes nothing."""
        size = self._size
        try:
            # A reader passes over empty lines, should this process die in between.
            self._write(b"\n" * ROOM_BYTES)
        finally:
            self._size = size
            self._cut()

    def read(self) -> Page:
        """What comes next; it stays until `passed`. Raises `OSError`."""
        if self.drained:
            return Page([], [], self._read)
        return read_page(self._file, self._read, self._size)

    def passed(self, page: Page) -> None:
        """The database has this page. After a restart it would be read again."""
        self._read = page.next

    def close(self) -> None:
        """Gives the file up: removed when nothing waits, else left to whoever finds it. The next append makes one."""
        if self._file < 0:
            return
        assert self._path is not None  # noqa: S101
        if self.drained:
            self._path.unlink(missing_ok=True)
        os.close(self._file)
        self._path, self._file = None, -1
        self._size = self._read = 0

    def _write(self, content: bytes) -> None:
        if self._file < 0:
            self._open()
        try:
            # At the place where it belongs: what a failed write has left there is written over.
            if os.pwrite(self._file, content, self._size) < len(content):
                raise OSError("The spool could not be written in full.")
            os.fsync(self._file)
        except OSError:
            self._cut()
            raise
        self._size += len(content)

    def _open(self) -> None:
        path, file = create(self._folder)
        try:
            # A file whose folder was not synced may be gone after a power failure.
            for folder in (self._folder, *list(self._folder.parents)[:2]):
                _sync(folder)
        except OSError:
            path.unlink(missing_ok=True)
            os.close(file)
            raise
        self._path, self._file = path, file

    def _cut(self) -> None:
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, self._size)


def _sync(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
