"""What a process tells the others of its deployments."""

import asyncio
import random
from typing import Any

import pytest

from inference.deployment_reports import Reporter
from inference.routing import Router


async def test_reporting_ends_whenever_it_is_cancelled(settings: Any) -> None:
    if not settings.REDIS_URL:
        pytest.skip("This lane has no Redis, and one process.")
    tasks = []
    for number in range(100):
        reporter = Reporter(Router(), f"test-{number}")
        task = asyncio.create_task(reporter._run())
        await asyncio.sleep(random.uniform(0, 0.008))
        task.cancel()
        tasks.append(task)
    done, hanging = await asyncio.wait(tasks, timeout=3)
    for task in hanging:
        task.cancel()
    assert not hanging
    assert all(task.cancelled() for task in done)
