"""Looking for words in everything that a run leaves behind."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import redis


def hidden(content: bytes, words: dict[str, str]) -> list[str]:
    """The names of the words that are in `content`, in whatever letters and encodings."""
    found = []
    for name, word in words.items():
        spellings = {word, word.upper(), word.lower()}
        spelled = {spelling.encode(codec) for spelling in spellings for codec in ("utf-8", "utf-16-le")}
        spelled |= {word.encode().hex().encode(), word.encode()[::-1]}
        if any(spelling in content for spelling in spelled):
            found.append(name)
    return found


def command_and_environment(pid: int) -> bytes:
    """What others on the machine may read of a process; nobody but root its environment, where it is not dumpable."""
    read = b""
    for name in ("cmdline", "environ", "comm"):
        with contextlib.suppress(PermissionError):
            read += Path(f"/proc/{pid}/{name}").read_bytes()
    return read


def contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below `folder` that can be read."""
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink():
                yield path, path.read_bytes()


def temporary(*, since: float) -> Iterator[tuple[Path, bytes]]:
    """The files in the folder for temporary ones that changed after `since` (Unix seconds), but for pytest's own."""
    for folder, names, files in os.walk(tempfile.gettempdir()):
        names[:] = [name for name in names if not name.startswith("pytest-of-")]
        for name in files:
            path = Path(folder, name)
            # Files of others come and go.
            with contextlib.suppress(OSError):
                found = path.lstat()
                if stat.S_ISREG(found.st_mode) and found.st_mtime >= since:
                    yield path, path.read_bytes()


def value_of(client: redis.Redis, key: bytes) -> bytes:
    """A key's value as it was put there; a dump may be compressed."""
    read = {
        b"string": lambda: [client.get(key) or b""],
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"hash": lambda: [part for pair in client.hgetall(key).items() for part in pair],
        b"none": list,
    }
    return b"\n".join(read[client.type(key)]())
