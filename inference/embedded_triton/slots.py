"""A server's place under `var/triton/servers/`: its log, and the shared memory that has to go when it ends.

A slot is a folder whose `lock` is held (flock) by everything that belongs to the running server: its supervisor,
tritonserver and the stubs, which inherit the descriptor. A slot whose lock can be taken therefore belongs to nobody
alive, and whatever its server left in /dev/shm can be removed.

Where the folder is gone, or nobody starts there again, the process id in the names says whether a run has ended.
"""

import contextlib
import fcntl
import os
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from inference.embedded_triton.errors import TritonError

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
MAX_SLOTS = 64
NAME = re.compile(r"hanse-(\d+)-[0-9a-f]{8}-")
# Longer than models take to load, and than a server outlives a killed supervisor.
GRACE_SECONDS = 60.0


@dataclass
class Slot:
    """A taken slot. `lock` is an open descriptor; close it to give the slot back."""

    folder: Path
    prefix: str
    lock: int

    @property
    def log(self) -> Path:
        """Triton's log of this run."""
        return self.folder / "server.log"

    def release(self) -> None:
        """Remove this run's shared memory and give the slot back."""
        if self.lock < 0:
            return
        remove_shared_memory(self.prefix)
        (self.folder / "shm-prefix").unlink(missing_ok=True)
        os.close(self.lock)
        self.lock = -1


def take_slot(var_dir: Path) -> Slot:
    """Take the first free slot and clean up after every server that ended without doing so itself."""
    taken: Slot | None = None
    servers = var_dir.resolve() / "triton" / "servers"
    for number in range(MAX_SLOTS):
        folder = servers / str(number)
        if taken is not None and not folder.exists():
            break
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        note = folder / "shm-prefix"
        if note.exists():
            remove_shared_memory(note.read_text().strip())
            note.unlink()
        if taken is None:
            # Unique on the host, not only in this folder: /dev/shm is shared with every other installation.
            taken = Slot(folder, f"hanse-{os.getpid()}-{secrets.token_hex(4)}-", lock)
            note.write_text(taken.prefix)
        else:
            os.close(lock)
    sweep_shared_memory()
    if taken is None:
        raise TritonError(f"{MAX_SLOTS} embedded Triton servers run in {servers} already.")
    return taken


def remove_shared_memory(prefix: str) -> None:
    """Unlink what is in /dev/shm under `prefix`, which must be one of ours."""
    if not prefix.startswith("hanse-") or len(prefix) < 12:
        return
    for path in SHARED_MEMORY.glob(f"{prefix}*"):
        path.unlink(missing_ok=True)


def sweep_shared_memory() -> None:
    """Unlink what is older than a minute in /dev/shm and whose supervisor, of whatever folder, has ended.

    A container that shares /dev/shm and not its process ids looks as if it had ended; its server goes on undisturbed,
    since a region is opened by its name only while a model is loaded.
    """
    for path in SHARED_MEMORY.glob("hanse-*"):
        name = NAME.match(path.name)
        # Another user's are not ours to remove, and somebody may have been faster.
        with contextlib.suppress(FileNotFoundError, PermissionError):
            if name and not is_alive(int(name[1])) and time.time() - path.stat().st_mtime > GRACE_SECONDS:
                path.unlink()


def is_alive(pid: int) -> bool:
    """Whether there is a process with this id, whoever's it is."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
