"""Files that belong to one process while it lives, and to whoever takes them first when it is dead.

A file is held with `flock` from before it has its name until its process ends, however it ends. They lie below
`VAR_DIR` in a folder for each database, because what is found is written into the one that is configured.
"""

import contextlib
import fcntl
import hashlib
import os
import time
from pathlib import Path

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections

SUFFIX = ".jsonl"
# A file under this name is not locked yet; older than the seconds below, its maker died before it could.
DRAFT = ".draft"
DRAFT_SECONDS = 60


def database_folder(kind: str) -> Path:
    """Where this installation keeps its files of a `kind` for its present database."""
    database = connections[DEFAULT_DB_ALIAS].settings_dict
    name = "|".join(str(database[part]) for part in ("ENGINE", "HOST", "PORT", "NAME"))
    return Path(settings.VAR_DIR) / kind / hashlib.sha256(name.encode()).hexdigest()[:12]


def make_folder(folder: Path) -> None:
    """Makes the folder and the one of its kind (mode 0700). Raises `OSError`."""
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)


def create(folder: Path, content: bytes = b"", *, flags: int = 0) -> tuple[Path, int]:
    """A new file (mode 0600) in `folder` (0700), locked before anybody can see it under its name; raises `OSError`."""
    make_folder(folder)
    path = folder / f"{os.getpid()}-{time.time_ns()}{SUFFIX}"
    draft = path.with_suffix(DRAFT)
    file = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.write(file, content) < len(content):
            raise OSError("The file could not be written in full.")
        draft.rename(path)
    except OSError:
        os.close(file)
        draft.unlink(missing_ok=True)
        raise
    return path, file


def in_order(folder: Path) -> list[Path]:
    """The files of `folder`, the one that was made first in front."""
    return sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stem.partition("-")[2])


def take(path: Path) -> int | None:
    """The locked file of a dead process; None while its process lives or when another was faster. Raises `OSError`."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Locked, but possibly after another has dealt with it.
        if os.fstat(file).st_nlink:
            return file
    except BlockingIOError:
        pass
    os.close(file)
    return None


def remove_stale_drafts(folder: Path) -> None:
    """Removes the files whose makers died before they gave them a name."""
    for draft in folder.glob(f"*{DRAFT}"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - draft.stat().st_mtime > DRAFT_SECONDS:
                draft.unlink()
