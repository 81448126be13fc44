"""What the embedded Triton's demo model tells of itself, for tests that look behind the gateway."""

import re
import time
from collections.abc import Callable

import httpx


def measure(metrics_url: str, name: str) -> float:
    """The sum of a metric over its labels."""
    text = httpx.get(metrics_url, timeout=10).text
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE))


def eventually(holds: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Returns as soon as `holds` does; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "It did not come true in time."
        time.sleep(0.05)
