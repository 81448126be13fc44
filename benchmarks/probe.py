"""Hanse with a probe of its event loop beside it: any request to /bench/lag says for how long it was blocked.

The probe is a timer of a millisecond. Blocked is what it comes late, less the time for which the loop's thread could
have run and another process had the core.
"""

import asyncio
import json
import os
import threading
from time import perf_counter, process_time, thread_time

from benchmarks.relay import Message, Receive, Send, head
from config.asgi import application

INTERVAL = 0.001


class Probe:
    """The timer, and the longest block in seconds since someone asked."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.running = False

    def start(self) -> None:
        """Begin, on the running loop; once."""
        if not self.running:
            self.running = True
            self.loop = asyncio.get_running_loop()
            self.schedule = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
            self.again()

    def again(self) -> None:
        """Set the timer."""
        self.before = self.clocks()
        self.loop.call_later(INTERVAL, self.tick)

    def tick(self) -> None:
        """The timer fires."""
        wall, waited, others = (now - then for now, then in zip(self.clocks(), self.before, strict=True))
        self.longest = max(self.longest, blocked(wall, waited, others))
        self.again()

    def clocks(self) -> tuple[float, float, float]:
        """Seconds: of the wall, for which the loop's thread waited for a core, and of CPU of the other threads."""
        # "CPU time, time on a run queue, timeslices" (Documentation/scheduler/sched-stats.rst), in nanoseconds.
        waited = int(os.pread(self.schedule, 64, 0).split()[1]) / 1e9
        return perf_counter(), waited, process_time() - thread_time()

    def taken(self) -> float:
        """The longest block since the last call."""
        longest, self.longest = self.longest, 0.0
        return longest


def blocked(wall: float, waited: float, others: float) -> float:
    """Seconds for which a loop was blocked whose timer fired after `wall` seconds.

    Its thread `waited` for the core, and no longer for the process' own `others` than these ran.
    """
    late = wall - INTERVAL
    return max(0.0, late - max(0.0, waited - others))


probe = Probe()


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Hanse, and the probe's path."""
    if scope.get("path") != "/bench/lag":
        await application(scope, receive, send)
        return
    probe.start()
    body = json.dumps({"blocked": probe.taken()}).encode()
    await send(head(b"application/json", (b"content-length", str(len(body)).encode())))
    await send({"type": "http.response.body", "body": body})
