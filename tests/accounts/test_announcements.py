"""What one process changes, the others forget."""

import asyncio
import contextlib
import json
import logging
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
from django.db import transaction

from accounts import announcements
from accounts.announcements import CATALOGUE, KEY, ORGANIZATION, announce, channel
from accounts.database_thread import in_database_thread
from accounts.models import Project
from accounts.principals import principals
from accounts.services import issue_key, revoke_key, rotate_key, update_key, update_organization_status
from accounts.subscription import Subscription
from billing.services import set_price, withdraw_price
from config.logs import Formatter
from inference.catalogue import catalogue
from tests.accounts.asking import get
from tests.accounts.conftest import ACTOR
from tests.engines import free_port
from tests.relay import Relay, relayed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def redis_url(settings: Any) -> str:
    """The lane's Redis."""
    if not settings.REDIS_URL:
        pytest.skip("This lane has no Redis, and one process.")
    return str(settings.REDIS_URL)


@pytest.fixture
def relay(redis_url: str) -> Iterator[tuple[Relay, str]]:
    """A relay to it, and the URL that leads through it."""
    with relayed(redis_url) as both:
        yield both


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another test could not publish keeps no message of this one back."""
    monkeypatch.setattr(announcements, "_paused_until", float("-inf"))


@pytest.fixture
def published(redis_url: str) -> Iterator[Callable[[], list[str]]]:
    """The messages on the installation's channel since the last call."""
    with redis.Redis.from_url(redis_url) as client, client.pubsub() as pubsub:
        pubsub.subscribe(channel())
        assert pubsub.get_message(timeout=5)["type"] == "subscribe"

        def messages() -> list[str]:
            # One more of ours marks the end of what came before.
            end = secrets.token_hex(8)
            client.publish(channel(), end)
            found = []
            while (message := pubsub.get_message(timeout=5)) is not None:
                if message["data"].decode() == end:
                    break
                found.append(message["data"].decode())
            return found

        yield messages


def test_a_change_is_published_by_kind_and_id_once_it_is_committed(
    project: Project, published: Callable[[], list[str]]
) -> None:
    issued = issue_key(actor=ACTOR, project=project, name="shop")
    key = issued.api_key
    published()
    with transaction.atomic():
        update_key(actor=ACTOR, api_key=key, allowed_models=["other"])
        assert published() == []
    rotate_key(actor=ACTOR, api_key=key)
    revoke_key(actor=ACTOR, api_key=key)
    assert published() == [f"key {key.pk}"] * 3
    update_organization_status(actor=ACTOR, organization=project.organization, status="suspended")
    assert published() == [f"organization {project.organization_id}"]
    version, _ = set_price(input_nano=1, output_nano=1, model_class="standard")
    assert published() == ["catalogue 0"]
    later, _ = set_price(
        input_nano=2,
        output_nano=1,
        model_class="standard",
        effective_from=version.effective_from.replace(year=version.effective_from.year + 1),
    )
    withdraw_price(version=later)
    assert published() == ["catalogue 0"] * 2


def test_what_is_rolled_back_is_not_published(project: Project, published: Callable[[], list[str]]) -> None:
    issued = issue_key(actor=ACTOR, project=project, name="shop")
    published()
    with transaction.atomic():
        revoke_key(actor=ACTOR, api_key=issued.api_key)
        transaction.set_rollback(True)
    assert published() == []


def test_installations_on_one_server_do_not_mix(redis_url: str, settings: Any) -> None:
    ours = channel()
    settings.API_KEY_PEPPER = "the pepper of another installation on the same server"
    other = channel()
    settings.REDIS_URL = f"{redis_url.rpartition('/')[0]}/99"
    assert len({ours, other, channel()}) == 3
    assert settings.API_KEY_PEPPER not in other


@asynccontextmanager
async def hearing(url: str) -> AsyncIterator[Subscription]:
    """A subscription of another process, which has this one's caches."""
    subscription = Subscription(url, channel(), quiet_seconds=0.2)
    task = asyncio.create_task(subscription.run())
    try:
        yield subscription
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], Any], seconds: float = 5.0) -> float:
    """Waits until it holds; after how many seconds that was."""
    begin = time.monotonic()
    while not holds():
        assert time.monotonic() - begin < seconds, "It did not come true in time."
        await asyncio.sleep(0.005)
    return time.monotonic() - begin


def publish(url: str, message: str) -> None:
    """As another process does."""
    with redis.Redis.from_url(url) as client:
        client.publish(channel(), message)


async def test_a_message_takes_exactly_what_it_names_from_the_cache(
    project: Project, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[tuple[str, int]] = []
    for kind in (KEY, ORGANIZATION, CATALOGUE):
        monkeypatch.setitem(announcements._forgetters, kind, lambda number, kind=kind: forgotten.append((kind, number)))
    cleared: list[bool] = []
    monkeypatch.setattr(announcements, "_clearers", [lambda: cleared.append(True)])
    async with hearing(redis_url):
        await until(lambda: cleared)
        for message in ("key 7", "organization 12", "catalogue 0"):
            await asyncio.to_thread(publish, redis_url, message)
        await until(lambda: len(forgotten) == 3)
        assert forgotten == [("key", 7), ("organization", 12), ("catalogue", 0)]
        assert len(cleared) == 1
        # What a newer version may say.
        for number, message in enumerate(("limit 3", "key x", "key -1", "", "é")):
            await asyncio.to_thread(publish, redis_url, message)
            await until(lambda number=number: len(cleared) == number + 2)
    assert len(forgotten) == 3


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The events of announcements and subscriptions."""
    entries = [json.loads(Formatter().format(record)) for record in caplog.records]
    return [entry["event"] for entry in entries if entry["event"].startswith("announcement")]


@pytest.mark.faults
@pytest.mark.parametrize("how", ["cut", "frozen"])
async def test_a_lost_server_is_noticed_and_coming_back_clears_the_cache(
    project: Project, relay: tuple[Relay, str], redis_url: str, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    through, url = relay
    text = (await in_database_thread(issue_key, actor=ACTOR, project=project, name="shop")).text
    lose, restore = (through.cut, through.restore) if how == "cut" else (through.freeze, through.thaw)
    with caplog.at_level(logging.INFO):
        async with hearing(url) as subscription:
            await until(lambda: through.sent)
            await asyncio.sleep(0.1)
            await principals.get(text)
            for _ in range(2):
                await asyncio.to_thread(lose)
                await until(lambda: subscription.lost)
                assert len(principals) == 1, "what is known stays until it ends by itself"
                # Lost: nobody hears it.
                await asyncio.to_thread(publish, redis_url, "organization 0")
                await asyncio.to_thread(restore)
                await until(lambda: not subscription.lost)
                assert len(principals) == 0
                await principals.get(text)
            await asyncio.to_thread(publish, redis_url, f"organization {project.organization_id}")
            await until(lambda: len(principals) == 0)
    assert logged(caplog) == ["announcements_lost", "announcements_back"] * 2


async def test_a_quiet_server_is_not_given_up(relay: tuple[Relay, str], caplog: pytest.LogCaptureFixture) -> None:
    through, url = relay
    async with hearing(url) as subscription:
        await until(lambda: through.sent)
        await asyncio.sleep(2.0)
        assert not subscription.lost
    assert logged(caplog) == []


@pytest.mark.faults
@pytest.mark.parametrize("how", ["nobody", "frozen"])
def test_without_redis_an_act_succeeds_at_once_and_says_so(
    project: Project, relay: tuple[Relay, str], settings: Any, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    through, url = relay
    keys = [issue_key(actor=ACTOR, project=project, name=str(number)) for number in range(30)]
    settings.REDIS_URL = url if how == "frozen" else f"redis://127.0.0.1:{free_port()}/0"
    announce(KEY, 0)
    if how == "frozen":
        through.freeze()
    announcements._paused_until = float("-inf")
    caplog.clear()
    before = time.monotonic()
    get(keys[0].text)
    with transaction.atomic():
        for issued in keys:
            revoke_key(actor=ACTOR, api_key=issued.api_key)
        begin = time.monotonic()
    assert time.monotonic() - begin < 2.5, "thirty messages wait once"
    assert len(principals) == 0, "this process hears of it all the same"
    assert logged(caplog) in (["announcement_not_published"], ["announcement_not_published"] * 2)
    assert announcements.lost_since(before)
    through.thaw()
    announcements._paused_until = float("-inf")
    settings.REDIS_URL = url
    after = time.monotonic()
    announce(KEY, 0)
    assert not announcements.lost_since(after)


def test_a_connection_that_broke_while_idle_loses_no_message(
    relay: tuple[Relay, str], settings: Any, published: Callable[[], list[str]]
) -> None:
    through, url = relay
    settings.REDIS_URL = url
    announce(KEY, 1)
    through.cut()
    through.restore()
    announce(KEY, 2)
    assert published() == ["key 1", "key 2"]


def test_a_process_without_redis_hears_itself(project: Project, settings: Any) -> None:
    settings.REDIS_URL = ""
    issued = issue_key(actor=ACTOR, project=project, name="shop")
    get(issued.text)
    revoke_key(actor=ACTOR, api_key=issued.api_key)
    assert len(principals) == 0
    catalogue.clear()
    set_price(input_nano=1, output_nano=1, model_class="standard")
    assert catalogue._changed_at is not None
    catalogue.clear()


async def test_a_subscription_ends_whenever_it_is_cancelled(redis_url: str) -> None:
    tasks = []
    for _ in range(100):
        task = asyncio.create_task(Subscription(redis_url, channel()).run())
        await asyncio.sleep(random.uniform(0, 0.008))
        task.cancel()
        tasks.append(task)
    done, hanging = await asyncio.wait(tasks, timeout=3)
    for task in hanging:
        task.cancel()
    assert not hanging
    assert all(task.cancelled() for task in done)
