"""The cache that answers who a key speaks for."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.signals import connection_created
from django.utils import timezone

from accounts.errors import KeyRefused, KeysUnavailable, NotPermitted
from accounts.keys import make_key
from accounts.models import ApiKey, ApiKeySecret, Organization, Project
from accounts.principals import Principal, PrincipalCache, principals
from accounts.services import (
    create_organization,
    issue_key,
    revoke_key,
    rotate_key,
    update_key,
    update_organization_status,
)
from tests.accounts.conftest import ACTOR

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_a_key_resolves_to_what_was_issued(project: Project) -> None:
    ends = timezone.now() + timedelta(days=3)
    issued = issue_key(
        actor=ACTOR,
        project=project,
        name="shop",
        scopes=["chat", "usage:read"],
        allowed_models=["demo-chat"],
        allowed_classes=["premium"],
        allowed_networks=["192.0.2.0/24"],
        expires_at=ends,
    )
    principal = get(issued.text)
    assert principal.key_id == issued.api_key.pk
    assert principal.key_public_id == issued.api_key.public_id
    assert (principal.organization_id, principal.organization_slug) == (project.organization_id, "reeder")
    assert principal.project_id == project.pk
    assert principal.scopes == {"chat", "usage:read"}
    assert principal.allowed_models == {"demo-chat"}
    assert principal.allowed_classes == {"premium"}
    assert [str(network) for network in principal.networks] == ["192.0.2.0/24"]
    assert principal.expires_at == pytest.approx(ends.timestamp())
    assert principal.has_scope("chat")
    assert not principal.has_scope("embeddings")


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


def test_wrong_keys_by_the_thousand_evict_no_good_one(project: Project, statements: list[str]) -> None:
    cache = PrincipalCache(capacity=3, refusal_capacity=5)
    good = [issue_key(actor=ACTOR, project=project, name=f"key {number}").text for number in range(3)]
    wrong = [make_key().text for _ in range(40)] + [f"sk-hanse-{number:061}" for number in range(2000)]

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


def test_a_revoked_key_is_refused_at_once(project: Project) -> None:
    issued = issue_key(actor=ACTOR, project=project, name="shop")
    get(issued.text)
    revoke_key(actor=ACTOR, api_key=issued.api_key)
    refused = refusal(issued.text)
    assert (refused.status, refused.type, refused.code) == (401, "invalid_request_error", "invalid_api_key")


def test_a_key_expires_at_its_moment_even_in_the_cache(project: Project) -> None:
    ends = timezone.now() + timedelta(hours=1)
    now = Clock(ends.timestamp() - 0.001)
    cache = PrincipalCache(now=now)
    text = issue_key(actor=ACTOR, project=project, name="shop", expires_at=ends).text
    get(text, cache)
    now.at = ends.timestamp()
    refused = refusal(text, cache)
    assert (refused.status, refused.code) == (401, "invalid_api_key")
    assert "expired" in refused.message


def test_a_changed_restriction_holds_for_the_next_request(project: Project) -> None:
    issued = issue_key(actor=ACTOR, project=project, name="shop")
    assert get(issued.text).may_use("demo-chat", "standard")
    update_key(actor=ACTOR, api_key=issued.api_key, allowed_models=["other"])
    assert not get(issued.text).may_use("demo-chat", "standard")


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_all_keys_of_an_organization_stop_with_it_at_once(project: Project, status: str) -> None:
    texts = [issue_key(actor=ACTOR, project=project, name=name).text for name in ("one", "two")]
    other = create_organization(actor=ACTOR, slug="kontor", name="Kontor")
    elsewhere = issue_key(actor=ACTOR, project=other.projects.get(), name="one").text
    for text in [*texts, elsewhere]:
        get(text)
    update_organization_status(actor=ACTOR, organization=project.organization, status=status)
    for text in texts:
        refused = refusal(text)
        assert (refused.status, refused.type, refused.code) == (403, "permission_error", f"organization_{status}")
    assert get(elsewhere).organization_slug == "kontor"
    update_organization_status(actor=ACTOR, organization=project.organization, status=Organization.Status.ACTIVE)
    assert [get(text).organization_slug for text in texts] == ["reeder", "reeder"]


def test_a_change_that_is_rolled_back_changes_nothing(project: Project) -> None:
    issued = issue_key(actor=ACTOR, project=project, name="shop")
    with transaction.atomic():
        revoke_key(actor=ACTOR, api_key=issued.api_key)
        transaction.set_rollback(True)
    assert get(issued.text).key_id == issued.api_key.pk


def test_old_and_new_secret_work_until_the_overlap_ends(project: Project) -> None:
    now = Clock(time.time())
    cache = PrincipalCache(now=now)
    issued = issue_key(actor=ACTOR, project=project, name="shop")
    rotated = rotate_key(actor=ACTOR, api_key=issued.api_key, overlap=timedelta(hours=2))
    assert get(issued.text, cache).key_id == get(rotated.text, cache).key_id == issued.api_key.pk
    now.at += 2 * 3600 + 1
    assert "expired" in refusal(issued.text, cache).message
    assert get(rotated.text, cache).key_public_id == issued.api_key.public_id


def test_without_an_overlap_the_old_secret_dies_at_once(project: Project) -> None:
    issued = issue_key(actor=ACTOR, project=project, name="shop")
    get(issued.text)
    rotated = rotate_key(actor=ACTOR, api_key=issued.api_key, overlap=timedelta(0))
    assert refusal(issued.text).code == "invalid_api_key"
    assert get(rotated.text).key_id == issued.api_key.pk


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


def test_a_load_that_raced_with_a_revocation_is_not_kept(project: Project) -> None:
    issued = issue_key(actor=ACTOR, project=project, name="shop")

    async def race() -> None:
        executor = LateExecutor()
        asyncio.get_running_loop().set_default_executor(executor)
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

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        raise OperationalError("the server closed the connection unexpectedly")

    def break_it(sender: Any, connection: Any, **kwargs: Any) -> None:
        connection.execute_wrappers.append(refuse)

    connection_created.connect(break_it)
    try:
        with pytest.raises(KeysUnavailable) as unavailable:
            get(text)
        assert get(known).organization_slug == "reeder", "keys in the cache go on"
    finally:
        connection_created.disconnect(break_it)
    assert (unavailable.value.status, unavailable.value.headers) == (503, {"Retry-After": "1"})
    assert text not in str(unavailable.value)
    assert get(text).organization_slug == "reeder", "a failure is not remembered"


def test_the_cache_holds_digests_never_keys(project: Project) -> None:
    text = issue_key(actor=ACTOR, project=project, name="shop").text
    get(text)
    refusal(make_key().text)
    assert text not in repr(vars(principals))
    assert bytes(ApiKeySecret.objects.get().digest) in vars(principals)["_principals"]


def test_no_refusal_shows_the_whole_key(project: Project) -> None:
    issued = issue_key(actor=ACTOR, project=project, name="shop")
    revoke_key(actor=ACTOR, api_key=issued.api_key)
    secret = issued.text[len("sk-hanse-") + 12 : -6]
    wrong = make_key().text
    for text in (issued.text, wrong, wrong + "x", "my-password-of-another-service"):
        message = refusal(text).message
        assert text not in message
        assert text[11:-2] not in message
    assert secret not in refusal(issued.text).message


@pytest.mark.parametrize(
    ("models", "classes", "model", "allowed"),
    [
        ([], [], ("any", "premium"), True),
        (["a"], [], ("a", "standard"), True),
        (["a"], [], ("b", "standard"), False),
        ([], ["premium"], ("b", "premium"), True),
        ([], ["premium"], ("b", "standard"), False),
        (["a"], ["premium"], ("a", "standard"), False),
        (["a"], ["premium"], ("a", "premium"), True),
    ],
)
def test_models_and_classes_restrict_together(
    project: Project, models: list[str], classes: list[str], model: tuple[str, str], allowed: bool
) -> None:
    issued = issue_key(actor=ACTOR, project=project, name="shop", allowed_models=models, allowed_classes=classes)
    assert get(issued.text).may_use(*model) is allowed


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("192.0.2.9", True),
        ("::ffff:192.0.2.9", True),
        ("192.0.3.9", False),
        ("2001:db8:5::1", True),
        ("2001:db9::1", False),
        ("", False),
    ],
)
def test_an_allow_list_holds_for_both_families(project: Project, address: str, allowed: bool) -> None:
    issued = issue_key(actor=ACTOR, project=project, name="x", allowed_networks=["192.0.2.0/24", "2001:db8::/32"])
    principal = get(issued.text)
    if allowed:
        principal.check_address(address)
    else:
        with pytest.raises(NotPermitted) as refused:
            principal.check_address(address)
        assert (refused.value.status, refused.value.code) == (403, "address_not_allowed")


def test_a_key_without_allow_list_works_from_anywhere(project: Project) -> None:
    get(issue_key(actor=ACTOR, project=project, name="x").text).check_address("")
