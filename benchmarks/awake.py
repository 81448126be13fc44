"""Keeps cores from falling asleep, as production's are by load or by their power settings."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SPIN = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while os.getppid() == int(sys.argv[2]):
    pass
"""


@contextmanager
def awake(wanted: bool) -> Iterator[None]:
    """On each usable core a process that runs only while nobody else wants to; nothing unless it is `wanted`.

    To wake an idle core takes a virtual machine's host longer than all of a request's steps, and each hop pays it:
    without this a run measures the host. Linux' SCHED_IDLE gives way to everything else (sched(7)), with lazy
    preemption only when it enters the kernel, which is all that these do. (Not by sched_yield: with that, a run had
    pauses of seconds on Linux 6.18.)
    """
    cores = sorted(os.sched_getaffinity(0)) if wanted else []
    parent = str(os.getpid())
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN, str(core), parent]) for core in cores]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()
