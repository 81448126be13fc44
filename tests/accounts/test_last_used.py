"""When keys were last used."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created
from django.utils import timezone

from accounts import last_used
from accounts.models import ApiKey, Project
from accounts.services import issue_key
from tests.accounts.conftest import ACTOR

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_noted(transactional_db: None) -> Iterator[None]:
    """Other tests use keys, too."""
    asyncio.run(last_used.flush())
    yield
    asyncio.run(last_used.flush())


def keys(project: Project, count: int) -> list[ApiKey]:
    """New keys."""
    return [issue_key(actor=ACTOR, project=project, name=f"key {number}").api_key for number in range(count)]


def test_uses_are_written_to_the_minute_in_one_statement(project: Project, statements: list[str]) -> None:
    used = keys(project, 20)
    statements.clear()
    before = timezone.now()
    for _ in range(100):
        for key in used:
            last_used.note(key.pk)
    assert statements == []
    assert asyncio.run(last_used.flush()) == 20
    assert len(statements) <= 2  # two, should a minute end in between
    for key in ApiKey.objects.all():
        assert key.last_used_at is not None
        assert (key.last_used_at.second, key.last_used_at.microsecond) == (0, 0)
        assert before - timedelta(minutes=1) < key.last_used_at <= timezone.now()


def test_a_flush_without_uses_asks_nothing(statements: list[str]) -> None:
    assert asyncio.run(last_used.flush()) == 0
    assert statements == []


def test_time_never_goes_back(project: Project) -> None:
    (key,) = keys(project, 1)
    later = datetime(2199, 1, 1, tzinfo=UTC)
    ApiKey.objects.update(last_used_at=later)
    last_used.note(key.pk)
    asyncio.run(last_used.flush())
    assert ApiKey.objects.get().last_used_at == later


def test_more_keys_than_one_statement_takes_are_all_written(project: Project) -> None:
    (key,) = keys(project, 1)
    for stranger in range(last_used.BATCH + 5):
        last_used.note(key.pk + stranger)
    assert asyncio.run(last_used.flush()) == last_used.BATCH + 5
    assert ApiKey.objects.get().last_used_at is not None


def test_what_a_failed_flush_could_not_write_waits_for_the_next(project: Project) -> None:
    (key,) = keys(project, 1)
    last_used.note(key.pk)

    def refuse(*args: object) -> None:
        raise OperationalError("the server closed the connection unexpectedly")

    def break_it(sender: object, connection: object, **kwargs: object) -> None:
        connection.execute_wrappers.append(refuse)

    connection_created.connect(break_it)
    try:
        with pytest.raises(OperationalError):
            asyncio.run(last_used.flush())
    finally:
        connection_created.disconnect(break_it)
    assert asyncio.run(last_used.flush()) == 1
    assert ApiKey.objects.get().last_used_at is not None


def test_notes_taken_during_a_flush_are_not_lost(project: Project) -> None:
    (key,) = keys(project, 1)
    noted = 3000
    done = threading.Event()

    def note() -> None:
        for stranger in range(noted):
            last_used.note(key.pk + 1 + stranger)
        done.set()

    async def flush_meanwhile() -> int:
        written = 0
        while not done.is_set():
            written += await last_used.flush()
        return written + await last_used.flush()

    thread = threading.Thread(target=note)
    thread.start()
    written = asyncio.run(flush_meanwhile())
    thread.join()
    connection.close()
    assert written == noted
