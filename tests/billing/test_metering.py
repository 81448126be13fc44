"""The writer: one transaction for all that waits, and nobody is told before it is committed."""

import asyncio
import os
import time
from pathlib import Path

import pytest
from django.db import connection

from billing.errors import MeteringUnavailable
from billing.journal import journal_folder
from billing.metering import MeteringWriter, writer
from billing.models import UsageRecord
from tests.billing.conftest import make_entry
from tests.billing.writing import elsewhere, run, usage_locked

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_record_is_there_as_it_was_handed_over() -> None:
    entry = make_entry(streamed=True, error_code="x", queue_ms=3, first_token_ms=40, price_version_id=None)

    async def main(writer: MeteringWriter) -> None:
        await writer.submit(entry)

    run(main)
    record = UsageRecord.objects.get()
    for column in entry.__struct_fields__:
        if column != "started_at":
            assert getattr(record, column) == getattr(entry, column), column
    assert abs(record.started_at.timestamp() - entry.started_at) < 0.002
    assert abs(record.recorded_at.timestamp() - time.time()) < 20


def test_the_future_is_done_only_when_another_connection_sees_the_record() -> None:
    async def main(writer: MeteringWriter) -> None:
        for _ in range(20):
            entry = make_entry()
            await writer.submit(entry)
            assert await elsewhere(UsageRecord.objects.filter(id=entry.id).exists)

    run(main)


def test_all_that_waits_is_one_transaction_and_the_loop_goes_on_meanwhile() -> None:
    async def main(writer: MeteringWriter) -> float:
        await writer.submit(make_entry())
        longest = 0.0
        with usage_locked():
            first = writer.submit(make_entry())
            await asyncio.sleep(0.2)
            rest = [writer.submit(make_entry()) for _ in range(100)]
            for _ in range(100):
                begun = time.perf_counter()
                await asyncio.sleep(0.001)
                longest = max(longest, time.perf_counter() - begun)
            assert not first.done()
            assert not any(future.done() for future in rest)
        await asyncio.gather(first, *rest)
        return longest

    assert run(main) < 0.1
    assert UsageRecord.objects.count() == 102
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM billing_usagerecord GROUP BY xmin::text ORDER BY 1")
            sizes = [size for (size,) in cursor.fetchall()]
    else:
        # 'now' stands still within a statement, and a statement outside of a transaction is one.
        moments = list(UsageRecord.objects.values_list("recorded_at", flat=True))
        sizes = sorted(moments.count(moment) for moment in set(moments))
    assert sizes == [1, 1, 100]


def test_a_waiter_that_is_cancelled_does_not_cancel_the_commit() -> None:
    entry = make_entry()

    async def main(writer: MeteringWriter) -> None:
        async def wait() -> None:
            await writer.submit(entry)

        with usage_locked():
            task = asyncio.create_task(wait())
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(main)
    assert UsageRecord.objects.get().id == entry.id


def test_an_id_that_is_there_already_stays_as_it_is_and_its_waiter_is_told() -> None:
    entry = make_entry(output_tokens=1)
    again = make_entry(id=entry.id, output_tokens=2)

    async def main(writer: MeteringWriter) -> None:
        await writer.submit(entry)
        await asyncio.gather(writer.submit(again), writer.submit(again), writer.submit(make_entry()))

    run(main)
    assert UsageRecord.objects.count() == 2
    assert UsageRecord.objects.get(id=entry.id).output_tokens == 1


def test_one_impossible_record_does_not_take_the_others_with_it() -> None:
    absurd = make_entry(output_tokens=2**40, queue_ms=-5, error_code="zero\0byte" + "x" * 100)
    good = [make_entry() for _ in range(5)]

    async def main(writer: MeteringWriter) -> None:
        with usage_locked():
            futures = [writer.submit(entry) for entry in (*good, absurd)]
            await asyncio.sleep(0.1)
        await asyncio.gather(*futures)

    run(main)
    assert UsageRecord.objects.count() == 6
    assert UsageRecord.objects.get(id=absurd.id).queue_ms == 0


def test_closing_writes_what_waits_and_later_submits_fail() -> None:
    async def main(writer: MeteringWriter) -> None:
        futures = [writer.submit(make_entry()) for _ in range(300)]
        await writer.close()
        assert all(future.done() and future.exception() is None for future in futures)
        with pytest.raises(MeteringUnavailable):
            await writer.submit(make_entry())
        await writer.close()

    run(main)
    assert UsageRecord.objects.count() == 300


def test_a_broken_connection_is_replaced() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server that could drop a connection")

    def drop_the_writers_connection() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND query LIKE 'INSERT INTO billing_usagerecord%'"
            )
            assert cursor.fetchall() == [(True,)]

    async def main(writer: MeteringWriter) -> None:
        await writer.submit(make_entry())
        await elsewhere(drop_the_writers_connection)
        await writer.submit(make_entry())

    run(main)
    assert UsageRecord.objects.count() == 2


def test_requests_of_a_closed_writer_leave_no_journal(var: Path) -> None:
    async def main(writer: MeteringWriter) -> None:
        entries = [make_entry() for _ in range(10)]
        for entry in entries:
            writer.start(entry)
            writer.progress(entry)
        await asyncio.gather(*map(writer.submit, entries))

    run(main)
    assert list(journal_folder().iterdir()) == []


def test_each_loop_has_one_writer() -> None:
    async def main() -> None:
        first = writer()
        assert writer() is first
        await first.close()
        second = writer()
        assert second is not first
        await second.submit(make_entry())
        await second.close()

    asyncio.run(main())
    assert UsageRecord.objects.count() == 1


def test_a_full_disk_refuses_the_request_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    # /dev/full answers every write as a full disk does.
    full = os.open("/dev/full", os.O_WRONLY)

    async def main(writer: MeteringWriter) -> None:
        monkeypatch.setattr(writer._journal, "_file", full)
        with pytest.raises(MeteringUnavailable):
            writer.start(make_entry())
        writer.progress(make_entry())
        await writer.submit(make_entry())
        monkeypatch.undo()

    run(main)
    os.close(full)
    assert UsageRecord.objects.count() == 1
