"""Asking the cache as requests do."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from accounts.errors import KeyRefused, NotPermitted
from accounts.principals import Principal, PrincipalCache, principals


class Clock:
    """A clock that the test sets."""

    def __init__(self, at: float = 1000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def get(text: str, cache: PrincipalCache = principals) -> Principal:
    """One request's question, in a loop of its own."""
    return asyncio.run(cache.get(text))


def refusal(text: str, cache: PrincipalCache = principals) -> KeyRefused | NotPermitted:
    """The error that a key meets."""
    with pytest.raises((KeyRefused, NotPermitted)) as refused:
        get(text, cache)
    return refused.value


def in_thread(act: Callable[[], Any]) -> None:
    """Runs `act` as another thread does it, with a database connection of its own."""

    def run() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
