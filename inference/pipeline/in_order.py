"""Several calls of one request, a few at once, whose results come in the order of what they are made of."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import TypeVar

from inference.errors import BackendUnavailable

Piece = TypeVar("Piece")
Found = TypeVar("Found")


async def in_order(
    pieces: Iterable[Piece], work: Callable[[Piece], Awaitable[Found]], *, at_once: int
) -> AsyncGenerator[Found, None]:
    """What `work` makes of each piece, each result as soon as it and all before it are there.

    Where engines are full, the request makes do with fewer calls at once, down to one. The first other failure ends the
    rest and is raised; so does closing the generator.
    """
    todo = deque(enumerate(pieces))
    count = len(todo)
    done: asyncio.Queue[tuple[int, Found] | BaseException] = asyncio.Queue()
    working = min(at_once, count)

    async def work_on() -> None:
        nonlocal working
        while todo:
            index, piece = todo.popleft()
            try:
                done.put_nowait((index, await work(piece)))
            except BackendUnavailable as error:
                if working == 1:
                    done.put_nowait(error)
                    return
                # Others of this request are being served, and look here when they are done.
                working -= 1
                todo.appendleft((index, piece))
                return
            except Exception as error:  # noqa: BLE001 - raised by whoever waits for the results
                done.put_nowait(error)
                return
        working -= 1

    workers = [asyncio.create_task(work_on()) for _ in range(working)]
    early: dict[int, Found] = {}
    try:
        for wanted in range(count):
            while wanted not in early:
                found = await done.get()
                if isinstance(found, BaseException):
                    raise found
                early[found[0]] = found[1]
            yield early.pop(wanted)
    finally:
        for worker in workers:
            worker.cancel()
        # An error holds this frame, which must not hold it too.
        found = None  # type: ignore[assignment]
        await asyncio.gather(*workers, return_exceptions=True)
        # Neither must those hold theirs that nobody waited for any more.
        while not done.empty():
            done.get_nowait()
