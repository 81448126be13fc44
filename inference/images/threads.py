"""Threads for decoding and encoding images, which takes up to seconds."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# Pillow's decoders and encoders release the GIL. Threads of its own keep large pictures from holding up other people's
# large requests, and few of them bound the memory that pictures take at once.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="images")


async def beside(work: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
    """What `work` returns or raises, in a thread: however small a file is, its picture may be large."""
    return await asyncio.get_running_loop().run_in_executor(_threads, lambda: work(*args, **kwargs))
