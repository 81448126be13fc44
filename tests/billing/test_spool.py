"""The spool on the disk: what was safe comes back in order, whatever happened to the file or its process."""

import os
import re
import stat
from pathlib import Path

import pytest
import structlog
from django.core.management import CommandError, call_command

from billing.entry import UsageEntry
from billing.journal import Journal, journal_folder
from billing.models import UsageHour, UsageRecord
from billing.services import close_interrupted_requests, replay_spools, roll_up_usage
from billing.spool import ASIDE, PAGE_BYTES, Spool, spool_folder
from billing.tasks import close_interrupted_requests as minutely
from tests.billing.conftest import Customer, make_entry
from tests.billing.writing import execute, refusing

pytestmark = pytest.mark.django_db(transaction=True)


def abandon(spool: Spool) -> None:
    """As the kernel does when a process dies."""
    os.close(spool._file)


def leave(*batches: list[UsageEntry]) -> Path:
    """The spool of a dead process."""
    spool = Spool(spool_folder())
    for batch in batches:
        spool.append(batch)
    abandon(spool)
    assert spool._path is not None
    return spool._path


def recorded() -> list[str]:
    return [str(record.id) for record in UsageRecord.objects.order_by("recorded_at", "id")]


def ids(entries: list[UsageEntry]) -> list[str]:
    return [str(entry.id) for entry in entries]


def test_what_is_appended_is_read_in_order_and_goes_when_all_was_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    entries = [make_entry() for _ in range(700)]
    assert not (tmp_path / "spool").exists()
    for start in range(0, 700, 100):
        spool.append(entries[start : start + 100])
    read = []
    while not spool.drained:
        page = spool.read()
        assert page.next - spool._read <= PAGE_BYTES
        spool.passed(page)
        read += page.entries
    assert read == entries
    [file] = (tmp_path / "spool").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    spool.close()
    assert list((tmp_path / "spool").iterdir()) == []
    spool.append(entries[:1])
    assert spool.read().entries == entries[:1]


def test_a_full_disk_takes_nothing_and_leaves_what_was_there(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    first, second, third = make_entry(), make_entry(), make_entry()
    spool.append([first])
    good = spool._file
    # /dev/full answers every write as a full disk does.
    spool._file = os.open("/dev/full", os.O_RDWR)
    with pytest.raises(OSError, match="No space"):
        spool.append([second])
    with pytest.raises(OSError, match="No space"):
        spool.try_out()
    os.close(spool._file)
    spool._file = good
    spool.try_out()
    spool.append([third])
    assert spool.read().entries == [first, third]


def test_spools_of_dead_processes_are_replayed_in_order_and_rolled_up(customer: Customer) -> None:
    old = 1_750_000_000.0
    before = make_entry(customer, started_at=old)
    leave([before])
    minutely()
    roll_up_usage()
    batches = [[make_entry(customer, started_at=old) for _ in range(40)] for _ in range(20)]
    leave(*batches[:10])
    leave(*batches[10:])
    assert replay_spools().records == 800
    assert recorded() == ids([before, *(entry for batch in batches for entry in batch)])
    assert list(spool_folder().iterdir()) == []
    # Hours after they began: a record counts from when it was written.
    roll_up_usage()
    [hour] = UsageHour.objects.all()
    assert hour.requests == 801


def test_replaying_twice_doubles_nothing() -> None:
    entries = [make_entry(output_tokens=7) for _ in range(5)]
    path = leave(entries)
    content = path.read_bytes()
    assert replay_spools().records == 5
    UsageRecord.objects.update(output_tokens=8)
    path.write_bytes(content)
    replay_spools()
    assert set(UsageRecord.objects.values_list("output_tokens", flat=True)) == {8}
    assert UsageRecord.objects.count() == 5


def test_a_torn_end_costs_only_itself_and_is_said() -> None:
    entries = [make_entry() for _ in range(3)]
    path = leave(entries)
    torn = path.read_bytes()[:-20]
    path.write_bytes(torn)
    with structlog.testing.capture_logs() as logs:
        done = replay_spools()
    assert (done.records, done.aside) == (2, 1)
    assert recorded() == ids(entries[:2])
    assert ("spool_lines_unreadable", 1) in [(log["event"], log.get("count")) for log in logs]
    assert (spool_folder() / ASIDE).read_bytes() == torn.splitlines()[-1] + b"\n"


def test_zeros_of_a_lost_machine_cost_only_themselves() -> None:
    entries = [make_entry()]
    path = leave(entries)
    path.write_bytes(path.read_bytes() + b"\0" * 3 * PAGE_BYTES)
    assert replay_spools().records == 1
    assert recorded() == ids(entries)


def test_a_refused_record_is_set_aside_and_the_command_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    entries = [make_entry(), make_entry(model_id="refused"), make_entry()]
    leave(entries)
    with refusing("refused"), pytest.raises(CommandError, match=r"Set aside: 1 record .* VAR_DIR/spool/\w+/aside.txt"):
        call_command("replay_spool")
    assert "Replayed: 1 spool, 3 records." in capsys.readouterr().out
    assert recorded() == ids([entries[0], entries[2]])
    assert str(entries[1].id) in (spool_folder() / ASIDE).read_text()


def test_a_living_process_keeps_its_spool(capsys: pytest.CaptureFixture[str]) -> None:
    spool = Spool(spool_folder())
    spool.append([make_entry()])
    call_command("replay_spool")
    told = capsys.readouterr().out
    assert "Replayed: 0 spools, 0 records." in told
    assert "In use: 1 spool" in told
    assert recorded() == []
    spool.close()
    call_command("replay_spool")
    assert "Replayed: 1 spool, 1 record." in capsys.readouterr().out
    assert len(recorded()) == 1


def test_a_replay_that_fails_says_so_and_loses_nothing() -> None:
    entries = [make_entry()]
    leave(entries)
    rename = "ALTER TABLE {} RENAME TO {}"
    execute(rename.format("billing_usagerecord", "gone"))
    try:
        with pytest.raises(CommandError, match="Nothing is lost"):
            call_command("replay_spool")
    finally:
        execute(rename.format("gone", "billing_usagerecord"))
    call_command("replay_spool")
    assert recorded() == ids(entries)


def test_the_spools_of_a_database_that_moved_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    former = spool_folder().parent / "0123456789ab"
    spool = Spool(former)
    spool.append([make_entry()])
    abandon(spool)
    call_command("replay_spool")
    told = capsys.readouterr().out
    assert recorded() == []
    [name] = re.findall(r"--of (\w+)", told)
    call_command("replay_spool", of=name)
    assert len(recorded()) == 1
    with pytest.raises(CommandError, match="no folder"):
        call_command("replay_spool", of="ba9876543210")


def test_of_a_request_in_spool_and_journal_the_spool_tells_the_end() -> None:
    entry = make_entry(outcome="interrupted", output_tokens=3)
    journal = Journal(journal_folder())
    journal.note(entry)
    os.close(journal._file)
    leave([make_entry(id=entry.id, output_tokens=9)])
    minutely()
    record = UsageRecord.objects.get()
    assert (record.outcome, record.output_tokens) == ("completed", 9)
    assert close_interrupted_requests() == 0
