"""A server's place under `var/triton/servers/`: its log, and the shared memory that has to go when it ends.

A slot is a folder whose `lock` is held (flock) by everything that belongs to the running server: its supervisor,
tritonserver and the stubs, which inherit the descriptor. A slot whose lock can be taken therefore belongs to nobody
alive, and whatever its server left in /dev/shm can be removed.
"""

import fcntl
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from inference.embedded_triton.errors import TritonError

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
MAX_SLOTS = 64


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
    if taken is None:
        raise TritonError(f"{MAX_SLOTS} embedded Triton servers run in {servers} already.")
    return taken


def remove_shared_memory(prefix: str) -> None:
    """Unlink what is in /dev/shm under `prefix`, which must be one of ours."""
    if not prefix.startswith("hanse-") or len(prefix) < 12:
        return
    for path in SHARED_MEMORY.glob(f"{prefix}*"):
        path.unlink(missing_ok=True)
