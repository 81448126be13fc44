"""Cancellations that a library turns into something else."""

import asyncio


def stop_if_cancelled() -> None:
    """Raises `asyncio.CancelledError` again in a task that was cancelled and did not hear of it.

    Redis' client turns a cancellation into an error of its own now and then, and nobody cancels twice.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
