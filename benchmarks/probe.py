"""Hanse with a probe of its event loop beside it: any request to /bench/lag says for how long it was blocked.

The probe is a timer of a millisecond. Blocked is what it comes late, but no more than the CPU time that the process'
threads took meanwhile: while others have the core, nothing of ours blocks.
"""

import asyncio
import json
from time import perf_counter, process_time

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
            self.again()

    def again(self) -> None:
        """Set the timer."""
        self.wall, self.cpu = perf_counter(), process_time()
        self.loop.call_later(INTERVAL, self.tick)

    def tick(self) -> None:
        """The timer fires."""
        self.longest = max(self.longest, blocked(perf_counter() - self.wall, process_time() - self.cpu))
        self.again()

    def taken(self) -> float:
        """The longest block since the last call."""
        longest, self.longest = self.longest, 0.0
        return longest


def blocked(wall: float, cpu: float) -> float:
    """Seconds for which a loop was blocked whose timer fired after `wall` seconds and `cpu` seconds of CPU time."""
    return max(0.0, min(wall - INTERVAL, cpu))


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
