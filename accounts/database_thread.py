"""Database work away from the event loop."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import connection

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


async def in_database_thread(
    work: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """What `work` returns, run in a thread whose connection goes back to the pool at once.

    Threads of the executor live for ever and end no request: nothing else would give the connection back.
    """

    def run() -> Result:
        try:
            return work(*args, **kwargs)
        finally:
            connection.close()

    return await sync_to_async(run, thread_sensitive=False)()
