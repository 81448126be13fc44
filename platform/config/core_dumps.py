"""No core dumps: a process' memory holds prompts, answers and keys, and must not become a file when it crashes."""

import contextlib
import ctypes
import resource
import sys

# linux/prctl.h
PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4


def forbid_core_dumps() -> None:
    """Keeps this process from leaving a core dump, and everything it starts from writing a core file.

    The limit alone is not enough: where `core_pattern` is a pipe, to systemd-coredump for one, Linux ignores it and
    asks only whether the process is dumpable (core(5)). One that is not also closes its `/proc/PID/environ` to others
    of the same user, and only root can trace it, with py-spy for one. A program that it starts is dumpable again.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, *(ctypes.c_ulong(0),) * 4)
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def is_dumpable() -> bool:
    """Whether a crash of this process may leave its memory behind, as far as Linux tells."""
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None, use_errno=True).prctl(PR_GET_DUMPABLE, *(ctypes.c_ulong(0),) * 4))
    return resource.getrlimit(resource.RLIMIT_CORE)[0] != 0
