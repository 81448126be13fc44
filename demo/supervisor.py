"""Running a Procfile so that nothing of it outlives us, on top of honcho."""

import ctypes
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import honcho.manager
import honcho.process

# Longer than Triton gives its running requests and itself; a killed Triton would leave shared memory behind.
honcho.manager.KILL_WAIT = 12
PR_SET_PDEATHSIG = 1


class Child(honcho.process.Process):
    """A process of the Procfile that does not outlive us, even when we are killed."""

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        """In honcho's process between us and the command."""
        self._child_ctor = ChildPopen
        die_with_parent(signal.SIGKILL)
        super().run(events, ignore_signals)


class ChildPopen(honcho.process.Popen):
    """Asks for SIGTERM when the process that started it is gone."""

    def __init__(self, command: str, **options: Any) -> None:
        super().__init__(command, preexec_fn=terminate_with_parent, **options)


def terminate_with_parent() -> None:
    """Between fork and exec of a command."""
    die_with_parent(signal.SIGTERM)


def die_with_parent(number: int) -> None:
    """Makes the kernel signal this process when its parent ends; only Linux can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


class Supervisor(honcho.manager.Manager):
    """Honcho's manager, which remembers who ended first."""

    def __init__(self, beside: Callable[["Supervisor"], None]) -> None:
        """`beside` runs in a thread of its own once all processes are started."""
        super().__init__()
        self._process_ctor = Child
        self.culprit: tuple[str, int] | None = None
        self._beside = threading.Thread(target=beside, args=(self,), daemon=True)

    @property
    def stopping(self) -> bool:
        """Whether the processes have been told to end."""
        return bool(self._terminating)

    def _start(self) -> None:
        super()._start()
        # Not earlier: a fork does not carry threads along.
        self._beside.start()

    def _any_stopped(self) -> bool:
        ended = {name: process["returncode"] for name, process in self._processes.items() if "returncode" in process}
        if ended and self.culprit is None and not self.stopping:
            self.culprit = next(iter(ended.items()))
        return bool(ended)
