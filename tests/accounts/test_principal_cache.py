"""The cache that answers who a key speaks for."""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.db.backends.signals import connection_created
from django.utils import timezone

from accounts.errors import KeyRefused, KeysUnavailable
from accounts.keys import PUBLIC_ID_LENGTH, base62, compose_key, make_key, parse_key, version_of
from accounts.models import ApiKey, ApiKeySecret, Project
from accounts.principals import Principal, PrincipalCache, principals
from accounts.principals.cache import LOOKUP_SECONDS
from accounts.services import (
    issue_key,
    revoke_key,
    rotate_key,
)
from tests.accounts.asking import Clock, get, in_thread, refusal
from tests.accounts.conftest import ACTOR

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_hit_asks_the_database_nothing(project: Project, statements: list[str]) -> None:
    text = issue_key(actor=ACTOR, project=project, name="shop").text
    statements.clear()

    async def three_times() -> None:
        for _ in range(3):
            await principals.get(text)

    asyncio.run(three_times())
    assert len(statements) == 1


def test_a_hit_never_yields_to_the_loop(project: Project) -> None:
    text = issue_key(actor=ACTOR, project=project, name="shop").text
    first = get(text)
    asking = principals.get(text)
    with pytest.raises(StopIteration) as answered:
        asking.send(None)
    assert answered.value.value == first


def test_keys_with_a_wrong_checksum_never_reach_the_database(project: Project, statements: list[str]) -> None:
    text = issue_key(actor=ACTOR, project=project, name="shop").text
    statements.clear()
    for wrong in (text[:-1] + ("0" if text[-1] != "0" else "1"), text[1:], text + "0", "", "sk-hanse-", "Bearer"):
        assert refusal(wrong).code == "invalid_api_key"
    assert statements == []


def made_up(count: int, public_id: str = "") -> list[str]:
    """Different keys of somebody who knows the format, and perhaps somebody's public id: all but the seal is right."""
    ids = (public_id or base62(number, PUBLIC_ID_LENGTH) for number in range(count))
    return [compose_key("sk-hanse-", name, number) for number, name in enumerate(ids)]


async def refused(cache: PrincipalCache, texts: list[str]) -> None:
    """Asks for all of them at once."""
    answers = await asyncio.gather(*(cache.get(text) for text in texts), return_exceptions=True)
    assert {type(answer) for answer in answers} == {KeyRefused}


def test_made_up_keys_by_the_thousand_cost_no_query(project: Project, statements: list[str]) -> None:
    good, cold = (issue_key(actor=ACTOR, project=project, name=name).text for name in ("good", "cold"))
    cache = PrincipalCache()

    wrong = made_up(5000)

    async def again_and_again() -> None:
        for text in itertools.cycle(wrong):
            with pytest.raises(KeyRefused):
                await cache.get(text)
            await asyncio.sleep(0)

    async def flood() -> None:
        await cache.get(good)
        statements.clear()
        await refused(cache, wrong)
        assert statements == []
        flooding = asyncio.create_task(again_and_again())
        async with asyncio.timeout(LOOKUP_SECONDS):
            await cache.get(cold)
            await cache.get(good)
        assert not flooding.done()
        flooding.cancel()
        assert len(statements) == 1, "of the cold key"

    asyncio.run(flood())


def test_wrong_secrets_of_a_known_public_id_share_a_query_a_second(project: Project, statements: list[str]) -> None:
    clock = Clock()
    cache = PrincipalCache(clock=clock)
    issued = issue_key(actor=ACTOR, project=project, name="shop")
    revoked = issue_key(actor=ACTOR, project=project, name="gone")
    revoke_key(actor=ACTOR, api_key=revoked.api_key)
    statements.clear()

    async def guess() -> None:
        for _ in range(2):
            await cache.get(issued.text)
            await refused(cache, made_up(1000, issued.api_key.public_id))
            await refused(cache, made_up(1000, revoked.api_key.public_id))
            clock.at += 1.0

    asyncio.run(guess())
    assert len(statements) == 4


def test_a_rotated_secret_is_let_in_a_second_later_though_nobody_told(project: Project) -> None:
    clock = Clock()
    cache = PrincipalCache(clock=clock)
    issued = issue_key(actor=ACTOR, project=project, name="shop")
    get(issued.text, cache)
    clock.at += 1.0
    text = rotate_key(actor=ACTOR, api_key=issued.api_key).text
    assert get(text, cache).key_id == issued.api_key.pk


def test_wrong_keys_by_the_thousand_evict_no_good_one(project: Project, statements: list[str]) -> None:
    cache = PrincipalCache(capacity=3, refusal_capacity=5)
    good = [issue_key(actor=ACTOR, project=project, name=f"key {number}").text for number in range(3)]
    public_id = parse_key(good[0])
    wrong = [make_key().text for _ in range(40)] + made_up(1000) + made_up(1000, public_id)
    wrong += [f"sk-hanse-{number:061}" for number in range(1000)]

    async def flood() -> None:
        for text in good:
            await cache.get(text)
        for text in wrong:
            with pytest.raises(KeyRefused):
                await cache.get(text)
        statements.clear()
        for text in good:
            await cache.get(text)

    asyncio.run(flood())
    assert statements == []


def test_wrong_secrets_do_not_keep_a_key_in_the_cache(project: Project) -> None:
    cache = PrincipalCache(capacity=2)
    first, second, third = (issue_key(actor=ACTOR, project=project, name=name).text for name in ("a", "b", "c"))

    async def use() -> None:
        await cache.get(first)
        await cache.get(second)
        await refused(cache, made_up(1, parse_key(first)))
        await cache.get(third)

    asyncio.run(use())
    assert list(vars(cache)["_principals"]) == [parse_key(second), parse_key(third)]


def test_a_frozen_database_keeps_nobody_waiting_for_long(
    project: Project, monkeypatch: pytest.MonkeyPatch, statements: list[str]
) -> None:
    monkeypatch.setattr("accounts.principals.cache.LOOKUP_SECONDS", 0.3)
    texts = [issue_key(actor=ACTOR, project=project, name=str(number)).text for number in range(20)]
    thaw = threading.Event()
    cache = PrincipalCache()

    def frozen(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        thaw.wait(20)
        return execute(sql, params, many, context)

    def freeze(sender: Any, connection: Any, **kwargs: Any) -> None:
        connection.execute_wrappers.append(frozen)

    async def ask() -> list[Any]:
        connection_created.connect(freeze)
        begin = time.perf_counter()
        answers = await asyncio.gather(*(cache.get(text) for text in texts), return_exceptions=True)
        assert time.perf_counter() - begin < 2.0
        connection_created.disconnect(freeze)
        statements.clear()
        thaw.set()
        await cache.get(texts[0])
        return answers

    assert {type(answer) for answer in asyncio.run(ask())} == {KeysUnavailable}
    # Those who gave up before a thread was free for them left no work behind.
    assert len(statements) <= 5


def test_the_key_used_longest_ago_makes_room(project: Project, statements: list[str]) -> None:
    cache = PrincipalCache(capacity=2)
    first, second, third = (issue_key(actor=ACTOR, project=project, name=name).text for name in ("a", "b", "c"))

    async def use() -> None:
        for text in (first, second, first, third):
            await cache.get(text)
        assert len(cache) == 2
        statements.clear()
        await cache.get(first)
        await cache.get(third)
        assert statements == []
        await cache.get(second)
        assert len(statements) == 1

    asyncio.run(use())


def test_a_refusal_is_remembered_for_a_second_at_most(statements: list[str]) -> None:
    clock = Clock()
    cache = PrincipalCache(clock=clock)
    text = make_key().text
    refusal(text, cache)
    clock.at += 0.99
    refusal(text, cache)
    assert len(statements) == 1
    clock.at += 0.01
    refusal(text, cache)
    assert len(statements) == 2


def test_a_principal_is_read_anew_after_its_time_to_live(
    project: Project, settings: Any, statements: list[str]
) -> None:
    settings.PRINCIPAL_TTL_SECONDS = 30.0
    clock = Clock()
    cache = PrincipalCache(clock=clock)
    text = issue_key(actor=ACTOR, project=project, name="shop").text
    get(text, cache)
    # Past the services, as another process does: nobody tells this cache.
    ApiKey.objects.update(revoked_at=timezone.now())
    clock.at += 29.9
    get(text, cache)
    clock.at += 0.1
    assert "revoked" in refusal(text, cache).message


def test_many_at_once_read_a_key_once(project: Project, statements: list[str]) -> None:
    text = issue_key(actor=ACTOR, project=project, name="shop").text
    statements.clear()

    async def crowd() -> list[Principal]:
        return await asyncio.gather(*(principals.get(text) for _ in range(50)))

    assert len(set(asyncio.run(crowd()))) == 1
    assert len(statements) == 1


def test_who_hangs_up_takes_the_answer_from_nobody(project: Project, statements: list[str]) -> None:
    text = issue_key(actor=ACTOR, project=project, name="shop").text
    statements.clear()

    async def one_leaves() -> Principal:
        first, second = asyncio.create_task(principals.get(text)), asyncio.create_task(principals.get(text))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert asyncio.run(one_leaves()).organization_slug == "reeder"
    assert len(statements) == 1


class LateExecutor(ThreadPoolExecutor):
    """Threads that finish their work, and hand the result over only when they may."""

    def __init__(self) -> None:
        super().__init__(max_workers=4)
        self.worked, self.may_answer = threading.Event(), threading.Event()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Delays the answer."""

        def late() -> Any:
            result = fn(*args, **kwargs)
            self.worked.set()
            self.may_answer.wait(20)
            return result

        return super().submit(late)


def test_a_load_that_raced_with_a_revocation_is_not_kept(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = issue_key(actor=ACTOR, project=project, name="shop")

    executor = LateExecutor()
    monkeypatch.setattr(principals, "_threads", executor)

    async def race() -> None:
        before = asyncio.create_task(principals.get(issued.text))
        while not executor.worked.is_set():  # noqa: ASYNC110  (a thread sets it)
            await asyncio.sleep(0.005)
        # The row was read while the key was good; it is revoked before that reaches the loop.
        in_thread(lambda: revoke_key(actor=ACTOR, api_key=issued.api_key))
        after = asyncio.create_task(principals.get(issued.text))
        await asyncio.sleep(0.05)
        executor.may_answer.set()
        assert (await before).key_id == issued.api_key.pk, "it came before the revocation"
        with pytest.raises(KeyRefused):
            await after
        with pytest.raises(KeyRefused):
            await principals.get(issued.text)
        assert len(principals) == 0

    asyncio.run(race())


def test_threads_may_invalidate_while_the_loop_reads(project: Project) -> None:
    texts = [issue_key(actor=ACTOR, project=project, name=str(number)).text for number in range(5)]
    stop = threading.Event()

    def invalidate() -> None:
        while not stop.is_set():
            principals.invalidate_organization(project.organization_id)
            principals.invalidate_key(1)

    async def read() -> None:
        for _ in range(40):
            await asyncio.gather(*(principals.get(text) for text in texts))

    thread = threading.Thread(target=invalidate)
    thread.start()
    try:
        asyncio.run(read())
    finally:
        stop.set()
        thread.join()
    assert get(texts[0]).organization_slug == "reeder"


def test_loads_give_their_connections_back(project: Project) -> None:
    texts = [issue_key(actor=ACTOR, project=project, name=str(number)).text for number in range(30)]
    connection.close()

    async def all_at_once() -> None:
        await asyncio.gather(*(principals.get(text) for text in texts))
        pool = getattr(connections["default"], "pool", None)
        if pool is not None:
            stats = pool.get_stats()
            assert stats["pool_available"] == stats["pool_size"], (
                "every connection is back while the threads still live"
            )

    asyncio.run(all_at_once())
    assert len(principals) == 30


def test_a_database_that_does_not_answer_is_a_503_worth_a_retry(project: Project, settings: Any) -> None:
    text = issue_key(actor=ACTOR, project=project, name="shop").text
    known = issue_key(actor=ACTOR, project=project, name="known").text
    get(known)

    broken = True

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        # Wrappers stay with the connections of threads that outlive the test.
        if broken:
            raise OperationalError("the server closed the connection unexpectedly")
        return execute(sql, params, many, context)

    def break_it(sender: Any, connection: Any, **kwargs: Any) -> None:
        connection.execute_wrappers.append(refuse)

    connection_created.connect(break_it)
    try:
        with pytest.raises(KeysUnavailable) as unavailable:
            get(text)
        assert get(known).organization_slug == "reeder", "keys in the cache go on"
    finally:
        connection_created.disconnect(break_it)
        broken = False
    assert (unavailable.value.status, unavailable.value.headers) == (503, {"Retry-After": "1"})
    assert text not in str(unavailable.value)
    assert get(text).organization_slug == "reeder", "a failure is not remembered"


def test_the_cache_holds_digests_never_keys(project: Project) -> None:
    text = issue_key(actor=ACTOR, project=project, name="shop").text
    get(text)
    refusal(make_key().text)
    assert text not in repr(vars(principals))
    (holding,) = vars(principals)["_principals"].values()
    digest = bytes(ApiKeySecret.objects.get().digest)
    assert list(holding.verdicts) == [digest, version_of(digest).encode()]
