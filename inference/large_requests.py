"""Large requests are worked on away from the event loop, where everybody else's tokens would wait for them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# The longest work that the loop does itself in one go; handing it to a thread and back costs about 0.1 ms.
INLINE_MS = 3.5
# What decoding takes at most: bodies of nothing but empty lists.
DECODING_MS_PER_BYTE = 1.5e-5

_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="large-request")


async def beside_the_loop(
    milliseconds: float, work: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """What `work` returns; in a thread where it takes long by an estimate in `milliseconds`."""
    if milliseconds <= INLINE_MS:
        if milliseconds > 1:
            # Others have their turn between one piece of work and the next.
            await asyncio.sleep(0)
        return work(*args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_threads, lambda: work(*args, **kwargs))


def decoding_ms(body_bytes: int) -> float:
    """What decoding a JSON body takes at most."""
    return body_bytes * DECODING_MS_PER_BYTE
