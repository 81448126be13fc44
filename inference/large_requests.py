"""Large requests are worked on away from the event loop, where everybody else's tokens would wait for them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# A body made of nothing but tiny messages takes about a millisecond to read and render for every kilobyte.
INLINE_BYTES = 64 * 1024

_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="large-request")


async def beside_the_loop(
    body_bytes: int, work: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """What `work` returns; in a thread where the body that it works on is large."""
    if body_bytes <= INLINE_BYTES:
        return work(*args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_threads, lambda: work(*args, **kwargs))
