"""The journal: what a dead process leaves behind can be read, a living one's cannot be taken."""

import json
import os
import stat
from pathlib import Path

import pytest

from billing.entry import UsageEntry
from billing.journal import Journal, sweep
from billing.owned_files import DRAFT
from tests.billing.conftest import make_entry


def swept(folder: Path) -> list[UsageEntry]:
    found: list[UsageEntry] = []
    sweep(folder, found.extend)
    return found


def abandon(journal: Journal) -> None:
    """As the kernel does when a process dies."""
    os.close(journal._file)


def test_what_was_begun_and_not_ended_is_found_once_as_last_noted(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    ended, open_, running = make_entry(), make_entry(), make_entry(output_tokens=0)
    for entry in (ended, open_, running):
        journal.note(entry)
    running.output_tokens = 17
    journal.note(running)
    journal.end([ended.id])
    abandon(journal)
    assert swept(tmp_path) == [open_, running]
    assert swept(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_living_journal_is_left_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.note(make_entry())
    assert swept(tmp_path) == []
    assert journal.path.exists()


def test_a_sweep_that_cannot_record_leaves_the_file_to_the_next(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    entry = make_entry()
    journal.note(entry)
    abandon(journal)

    def fail(entries: list[UsageEntry]) -> None:
        raise OSError("no database")

    with pytest.raises(OSError, match="no database"):
        sweep(tmp_path, fail)
    assert swept(tmp_path) == [entry]


def test_a_torn_last_line_costs_only_itself(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    first, second = make_entry(), make_entry()
    journal.note(first)
    journal.note(second)
    abandon(journal)
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-20])
    assert swept(tmp_path) == [first]


def test_the_file_is_emptied_when_nothing_is_open(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_bytes=2000)
    for _ in range(50):
        entry = make_entry()
        journal.note(entry)
        journal.end([entry.id])
        assert journal.path.stat().st_size < 3000
    last = make_entry()
    journal.note(last)
    abandon(journal)
    assert swept(tmp_path) == [last]


def test_the_file_stays_small_and_whole_while_something_is_always_open(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_bytes=2000)
    long_running = [make_entry(output_tokens=0) for _ in range(3)]
    for entry in long_running:
        journal.note(entry)
    for count in range(100):
        long_running[0].output_tokens = count
        journal.note(long_running[0])
        short = make_entry()
        journal.note(short)
        journal.end([short.id])
        assert journal.path.stat().st_size < 8000
    assert len(list(tmp_path.iterdir())) == 1
    assert swept(tmp_path) == []
    abandon(journal)
    assert swept(tmp_path) == long_running


def test_a_closed_journal_goes_with_its_last_request_and_stays_with_open_ones(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    entry = make_entry()
    journal.note(entry)
    journal.close()
    assert swept(tmp_path) == [entry]
    empty = Journal(tmp_path)
    empty.close()
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_can_read_and_only_counts_are_there(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder)
    journal.note(make_entry())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    [line] = journal.path.read_text().splitlines()
    assert set(json.loads(line)) == set(UsageEntry.__struct_fields__)


def test_a_draft_of_a_process_that_died_over_it_is_removed_a_fresh_one_is_not(tmp_path: Path) -> None:
    old, fresh = tmp_path / f"1-1{DRAFT}", tmp_path / f"2-2{DRAFT}"
    old.touch()
    fresh.touch()
    os.utime(old, (0, 0))
    sweep(tmp_path, lambda entries: None)
    assert (old.exists(), fresh.exists()) == (False, True)
