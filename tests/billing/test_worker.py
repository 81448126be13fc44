"""A real worker and a real beat on the filesystem and on Redis: a task that is sent is done."""

import os
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from billing.models import PriceVersion, UsageHour
from billing.record_store import RecordStore
from tests.billing.conftest import make_customer, make_entry
from tests.billing.processes import environment, process
from tests.engines import redis_database

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live]

SECONDS = 60
CELERY = ("-m", "celery", "--quiet", "--app", "config")
WORKER = (*CELERY, "worker", "--pool", "solo", "--without-gossip", "--without-mingle")


@pytest.fixture(params=["filesystem", "redis"])
def env(request: pytest.FixtureRequest, var: Path) -> Iterator[dict[str, str]]:
    """The settings of an installation with one of the two brokers."""
    server = os.environ["HANSE_TEST_REDIS_URL"]
    if request.param == "redis" and not server:
        pytest.skip("no Redis in this lane")
    with redis_database(server) if request.param == "redis" else nullcontext("") as redis_url:
        yield environment(var, redis_url)


def wait_for_a_rollup() -> int:
    """Requests in the rollups, as soon as there are any."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for hour in UsageHour.objects.all():
            return hour.requests
        time.sleep(0.2)
    return 0


def use() -> None:
    """Three requests."""
    customer = make_customer("reeder")
    PriceVersion.objects.create(model_class="standard", input_nano=1, output_nano=1)
    store = RecordStore()
    store.insert([make_entry(customer, started_at=1_750_000_000.0) for _ in range(3)])
    store.close()


def test_a_worker_rolls_usage_up_when_it_is_told_to(env: dict[str, str]) -> None:
    use()
    with process(*WORKER, env=env), process(*CELERY, "call", "billing.tasks.roll_up_usage", env=env) as call:
        assert call.wait(SECONDS) == 0
        assert wait_for_a_rollup() == 3


# As after two minutes of beat: what is due each minute is due at once, instead of a minute after a first start.
AGE = """
import sys
from datetime import timedelta
sys.path[:0] = [".", "platform"]
from celery.beat import PersistentScheduler
from config.celery import app
scheduler = PersistentScheduler(app, schedule_filename=sys.argv[1])
for entry in scheduler.schedule.values():
    entry.last_run_at -= timedelta(minutes=2)
scheduler.close()
"""


def test_beat_sends_what_the_worker_does(env: dict[str, str], var: Path) -> None:
    use()
    schedule = var / "celery" / "beat-schedule"
    schedule.parent.mkdir(exist_ok=True)
    with process("-c", AGE, str(schedule), env=env) as aging:
        assert aging.wait(SECONDS) == 0
    beat = (*CELERY, "beat", "--schedule", str(schedule), "--pidfile=")
    with process(*WORKER, env=env), process(*beat, env=env):
        assert wait_for_a_rollup() == 3
