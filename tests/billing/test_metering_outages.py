"""The writer while the database fails: nothing is lost, nobody waits long, and what was spooled follows in order."""

import asyncio
import json
import stat
import time
from pathlib import Path

import pytest
import structlog

from billing import metering
from billing.entry import UsageEntry
from billing.errors import MeteringUnavailable
from billing.journal import journal_folder
from billing.metering import MeteringWriter
from billing.models import UsageRecord
from billing.recorder import COMMIT_SECONDS
from billing.spool import ASIDE, spool_folder
from tests.billing.conftest import make_entry
from tests.billing.processes import python
from tests.billing.writing import TableGone, elsewhere, eventually, refusing, run, usage_locked

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]


def spools() -> list[Path]:
    return sorted(spool_folder().glob("*.jsonl"))


async def everything_replayed() -> None:
    await eventually(lambda: not spools())


def recorded_in_order() -> list[str]:
    return [str(record.id) for record in UsageRecord.objects.order_by("recorded_at", "id")]


def test_while_the_database_fails_answers_end_and_their_records_follow_in_order(var: Path) -> None:
    entries = [make_entry() for _ in range(60)]

    async def main(writer: MeteringWriter) -> list[float]:
        for entry in entries:
            writer.start(entry)
        waits = []
        await writer.submit(entries[0])
        async with TableGone():
            for start in range(1, 55, 6):
                begun = time.monotonic()
                await asyncio.gather(*map(writer.submit, entries[start : start + 6]))
                waits.append(time.monotonic() - begun)
            [file] = spools()
            assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            lines = file.read_text().splitlines()
            assert [json.loads(line)["id"] for line in lines] == [str(entry.id) for entry in entries[1:55]]
            assert all(set(json.loads(line)) == set(UsageEntry.__struct_fields__) for line in lines)
        await everything_replayed()
        await asyncio.gather(*map(writer.submit, entries[55:]))
        assert not spools()
        return waits

    assert max(run(main)) < COMMIT_SECONDS
    assert recorded_in_order() == [str(entry.id) for entry in entries]
    assert list(journal_folder().iterdir()) == []


def test_a_database_that_hangs_holds_answers_up_for_a_second_at_most_and_the_loop_not_at_all() -> None:
    entries = [make_entry() for _ in range(300)]

    async def main(writer: MeteringWriter) -> tuple[float, float, float]:
        await writer.submit(make_entry())
        gaps: list[float] = []
        ticking = asyncio.create_task(tick(gaps))
        with usage_locked():
            begun = time.monotonic()
            await asyncio.gather(*map(writer.submit, entries[:100]))
            first = time.monotonic() - begun
            assert not await elsewhere(UsageRecord.objects.filter(id=entries[0].id).exists)
            begun = time.monotonic()
            await asyncio.gather(*map(writer.submit, entries[100:]))
            second = time.monotonic() - begun
        await everything_replayed()
        ticking.cancel()
        return first, second, max(gaps)

    first, second, gap = run(main)
    assert COMMIT_SECONDS <= first < COMMIT_SECONDS + 1.0
    assert second < COMMIT_SECONDS
    # A loop that waits for the database would stand still for a second.
    assert gap < 0.3
    assert UsageRecord.objects.count() == 301


async def tick(gaps: list[float]) -> None:
    """Notes how late a stream's chunks would be."""
    while True:
        begun = time.perf_counter()
        await asyncio.sleep(0.001)
        gaps.append(time.perf_counter() - begun - 0.001)


def test_records_go_on_being_replayed_while_others_come_in() -> None:
    done: list[UsageEntry] = []

    async def main(writer: MeteringWriter) -> None:
        async def serve() -> None:
            while True:
                entry = make_entry()
                await writer.submit(entry)
                done.append(entry)
                # Still thousands a second, more than a process can answer.
                await asyncio.sleep(0.005)

        async with TableGone():
            await writer.submit(make_entry())
            serving = [asyncio.create_task(serve()) for _ in range(16)]
            await asyncio.sleep(0.5)
        await everything_replayed()
        for task in serving:
            task.cancel()

    run(main)
    assert UsageRecord.objects.filter(id__in=[entry.id for entry in done]).count() == len(done) > 100


def test_where_neither_database_nor_spool_can_be_written_no_request_begins(var: Path) -> None:
    running, never_began, later = make_entry(output_tokens=0), make_entry(), make_entry()
    blocker = spool_folder().parent
    blocker.write_text("")

    async def main(writer: MeteringWriter) -> str:
        writer.start(running)
        running.output_tokens = 42
        async with TableGone():
            with pytest.raises(MeteringUnavailable) as raised:
                await writer.submit(running)
            assert (raised.value.status, raised.value.headers) == (503, {"retry-after": "5"})
            [file] = journal_folder().glob("*.jsonl")
            last = file.read_text().splitlines()[-1]
            with pytest.raises(MeteringUnavailable):
                writer.start(never_began)
            begun = time.monotonic()
            with pytest.raises(MeteringUnavailable):
                await writer.submit(never_began)
            assert time.monotonic() - begun < 0.2
            # The disk is back, the database is not.
            blocker.unlink()
            await eventually(lambda: starts(writer, later))
            await writer.submit(later)
            assert len(spools()) == 1
        await everything_replayed()
        return last

    last = run(main, retry_seconds=0.3)
    assert str(running.id) in last
    assert '"output_tokens":42' in last
    # Its client was told an error, and may have asked again.
    assert '"cost_nano":0,"outcome":"failed","error_code":"metering_unavailable"' in last
    assert recorded_in_order() == [str(later.id)]


def starts(writer: MeteringWriter, entry: UsageEntry) -> bool:
    try:
        writer.start(entry)
    except MeteringUnavailable:
        return False
    return True


def test_the_database_alone_lets_requests_begin_again(var: Path) -> None:
    spool_folder().parent.write_text("")

    async def main(writer: MeteringWriter) -> None:
        async with TableGone():
            with pytest.raises(MeteringUnavailable):
                await writer.submit(make_entry())
            assert not starts(writer, make_entry())
        await eventually(lambda: starts(writer, make_entry()))
        await writer.submit(make_entry())

    run(main, retry_seconds=0.1)
    assert UsageRecord.objects.count() == 1


def test_a_record_under_way_waits_for_the_disk_or_the_database_before_it_fails() -> None:
    spool_folder().parent.write_text("")
    entry = make_entry()

    async def main(writer: MeteringWriter) -> None:
        writer.start(entry)
        async with TableGone():
            future = writer.submit(entry)
            await asyncio.sleep(0.5)
            assert not future.done()
        await future

    run(main)
    assert recorded_in_order() == [str(entry.id)]


def test_with_too_many_records_waiting_no_request_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering, "MOST_WAITING", 3)

    async def main(writer: MeteringWriter) -> None:
        await writer.submit(make_entry())
        with usage_locked():
            futures = [writer.submit(make_entry()) for _ in range(3)]
            with pytest.raises(MeteringUnavailable):
                writer.start(make_entry())
            # What is under way comes on top.
            futures.append(writer.submit(make_entry()))
        await asyncio.gather(*futures)
        writer.start(make_entry())

    run(main)
    assert UsageRecord.objects.count() == 5


def test_a_record_that_is_refused_for_good_is_set_aside_and_holds_up_nobody() -> None:
    bad, good = make_entry(model_id="refused"), [make_entry() for _ in range(3)]

    async def main(writer: MeteringWriter) -> None:
        async with TableGone():
            await asyncio.gather(*map(writer.submit, [good[0], bad, good[1]]))
        with_constraint = refusing("refused")
        await elsewhere(with_constraint.__enter__)
        await everything_replayed()
        # Not only a replayed one.
        await asyncio.gather(*map(writer.submit, [make_entry(model_id="refused"), good[2]]))
        await elsewhere(lambda: with_constraint.__exit__(None, None, None))

    with structlog.testing.capture_logs() as logs:
        run(main)
    assert recorded_in_order() == [str(entry.id) for entry in good]
    aside = [json.loads(line) for line in (spool_folder() / ASIDE).read_text().splitlines()]
    assert [line["model_id"] for line in aside] == ["refused", "refused"]
    assert aside[0]["id"] == str(bad.id)
    assert [log["request_id"] for log in logs if log["event"] == "usage_record_refused"] == [row["id"] for row in aside]


def test_what_no_json_can_hold_takes_no_others_with_it() -> None:
    async def main(writer: MeteringWriter) -> None:
        good = writer.submit(make_entry())
        bad = writer.submit(make_entry(error_code="\ud800"))
        await good
        with pytest.raises(MeteringUnavailable):
            await bad

    run(main)
    assert UsageRecord.objects.count() == 1


def test_a_process_that_ends_while_the_database_fails_leaves_its_records_to_the_next(var: Path) -> None:
    async def gone() -> None:
        await TableGone().begin()

    asyncio.run(gone())
    left = python(
        """
async def main():
    made = writer()
    for _ in range(500):
        entry = make_entry()
        made.start(entry)
        made.submit(entry)
asyncio.run(main())
""",
        var,
    )
    asyncio.run(TableGone().end())
    assert left.returncode == 0, left.stderr
    assert len(spools()) == 1
    assert list(journal_folder().iterdir()) == []
    after = python("async def main():\n    await writer().submit(make_entry())\nasyncio.run(main())", var)
    assert after.returncode == 0, after.stderr
    assert UsageRecord.objects.count() == 501
    assert not spools()


def test_a_spool_whose_process_was_killed_while_it_was_replayed_doubles_nothing(var: Path) -> None:
    # Killed between the commit and the removal of the file: the whole spool is read again.
    killed = python(
        """
from tests.billing.writing import TableGone
async def main():
    async with TableGone():
        await asyncio.gather(*[writer().submit(make_entry()) for _ in range(300)])
        from billing.spool import Spool
        Spool.close = lambda spool: os.kill(os.getpid(), 9)
    await asyncio.sleep(30)
asyncio.run(main())
""",
        var,
    )
    assert killed.returncode == -9, killed.stderr
    assert UsageRecord.objects.count() == 300
    assert len(spools()) == 1
    after = python("async def main():\n    await writer().submit(make_entry())\nasyncio.run(main())", var)
    assert after.returncode == 0, after.stderr
    assert UsageRecord.objects.count() == 301
    assert not spools()
