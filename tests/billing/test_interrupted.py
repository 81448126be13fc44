"""What a killed process leaves is closed once, priced by what is known."""

import os
import signal
from pathlib import Path

import pytest

from billing.journal import Journal, journal_folder
from billing.models import Outcome, PriceVersion, TokenSource, UsageRecord
from billing.pricing import cost_nano, price_of
from billing.services import close_interrupted_requests, set_price
from tests.billing.conftest import make_entry
from tests.billing.processes import BEGIN, environment, process, python

pytestmark = pytest.mark.django_db(transaction=True)

# Five requests are committed, three of them noted in the journal before; five more have begun, three with counts.
SERVE = """
async def main():
    made = writer()
    done = [make_entry() for _ in range(5)]
    for entry in done[:3]:
        made.start(entry)
    await asyncio.gather(*map(made.submit, done))
    running = [
        make_entry(
            outcome="interrupted", cost_nano=None, output_tokens=0, token_source="counted", price_version_id=PRICE
        )
        for _ in range(5)
    ]
    for entry in running:
        made.start(entry)
    for entry in running[:3]:
        entry.output_tokens = 33
        made.progress(entry)
    print(*[entry.id for entry in done], flush=True)
    print(*[entry.id for entry in running], flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.faults
def test_after_kill_9_each_open_request_has_one_interrupted_record_and_the_finished_none_more(var: Path) -> None:
    version, _ = set_price(model_id="demo-chat", input_nano=650_000_000, output_nano=1_950_000_000)
    script = BEGIN + SERVE.replace("PRICE", str(version.pk))
    with process("-c", script, env=environment(var)) as serving:
        assert serving.stdout is not None
        done = serving.stdout.readline().split()
        running = serving.stdout.readline().split()
        assert (len(done), len(running)) == (5, 5), serving.stdout.read()
        assert close_interrupted_requests() == 0
        os.kill(serving.pid, signal.SIGKILL)
        serving.wait()
    assert close_interrupted_requests() == 5
    assert close_interrupted_requests() == 0
    records = {str(record.id): record for record in UsageRecord.objects.all()}
    assert set(records) == {*done, *running}
    assert {records[request_id].outcome for request_id in done} == {Outcome.COMPLETED}
    price = price_of(version)
    for number, request_id in enumerate(running):
        record = records[request_id]
        assert record.outcome == Outcome.INTERRUPTED
        assert record.token_source == TokenSource.ESTIMATED
        assert record.output_tokens == (33 if number < 3 else 0)
        assert record.cost_nano == cost_nano(price, input_tokens=1000, output_tokens=record.output_tokens)
    assert list(journal_folder().iterdir()) == []


@pytest.mark.faults
def test_the_next_process_closes_what_a_killed_one_left(var: Path) -> None:
    left = python(
        """
async def main():
    writer().start(make_entry(outcome="interrupted"))
    os.kill(os.getpid(), 9)
asyncio.run(main())
""",
        var,
    )
    assert left.returncode == -signal.SIGKILL, left.stderr
    # Submitting a first record is a whole turn of the thread, which begins with the sweep.
    after = python("async def main():\n    await writer().submit(make_entry())\nasyncio.run(main())", var)
    assert after.returncode == 0, after.stderr
    assert sorted(UsageRecord.objects.values_list("outcome", flat=True)) == [Outcome.COMPLETED, Outcome.INTERRUPTED]


def test_a_process_that_ends_without_closing_its_writer_loses_no_record(var: Path) -> None:
    done = python(
        """
async def main():
    made = writer()
    for _ in range(500):
        made.submit(make_entry())
asyncio.run(main())
""",
        var,
    )
    assert done.returncode == 0, done.stderr
    assert UsageRecord.objects.count() == 500


def leave(**values: object) -> UsageRecord:
    """The record of a request whose process died with these last counts."""
    journal = Journal(journal_folder())
    entry = make_entry(**{"outcome": "interrupted", "cost_nano": None, **values})
    journal.note(entry)
    os.close(journal._file)
    assert close_interrupted_requests() == 1
    return UsageRecord.objects.get(id=entry.id)


def test_without_known_tokens_it_is_unrated() -> None:
    version = PriceVersion.objects.create(model_id="m", input_nano=1, output_nano=1)
    record = leave(input_tokens=0, output_tokens=0, token_source="none", price_version_id=version.pk)
    assert (record.cost_nano, record.token_source) == (None, TokenSource.NONE)


def test_without_a_price_it_is_unrated() -> None:
    assert leave(price_version_id=None).cost_nano is None


def test_an_answer_that_was_complete_but_never_committed_keeps_its_counts() -> None:
    record = leave(outcome="completed", token_source="reported", output_tokens=7)
    assert (record.outcome, record.token_source, record.output_tokens) == ("interrupted", "reported", 7)


def test_how_a_request_ended_before_its_process_did_stays() -> None:
    assert leave(outcome="cancelled").outcome == Outcome.CANCELLED
    failed = leave(outcome="failed", error_code="backend_error")
    assert (failed.outcome, failed.cost_nano) == (Outcome.FAILED, 0)


def test_more_than_one_statement_of_them_are_closed() -> None:
    journal = Journal(journal_folder())
    for number in range(600):
        journal.note(make_entry(outcome="interrupted", output_tokens=2**40 if number == 300 else 1))
    os.close(journal._file)
    assert close_interrupted_requests() == 600
    assert UsageRecord.objects.count() == 600
