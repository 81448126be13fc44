"""Database work away from the event loop."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import connection

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def giving_connection_back(work: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """`work` for a thread of an executor: its connection goes back to the pool at once.

    Such threads live for ever and end no request: nothing else would give the connection back.
    """

    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return work(*args, **kwargs)
        finally:
            connection.close()

    return run


async def in_database_thread(
    work: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """What `work` returns, run in a thread of the event loop's executor."""
    return await sync_to_async(giving_connection_back(work), thread_sensitive=False)(*args, **kwargs)
