"""What a token is worth at this moment: never more than its key."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import last_used
from accounts.errors import KeyRefused, NotPermitted
from accounts.keys import make_key
from accounts.minting import mint_token
from accounts.models import ApiKey, AuditEvent, Organization, Project
from accounts.principals import PrincipalCache, principals
from accounts.principals.bearers import CLOCK_SKEW
from accounts.services import issue_key, revoke_key, rotate_key, update_key, update_organization_status
from tests.accounts.asking import Clock, get, refusal
from tests.accounts.conftest import ACTOR
from tests.accounts.test_authentication import authenticate
from tests.accounts.tokens import mint, said_by

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def text(project: Project) -> str:
    """A key with two scopes."""
    return issue_key(actor=ACTOR, project=project, name="shop", scopes=["chat", "models"]).text


def key_of() -> ApiKey:
    """The only key there is."""
    return ApiKey.objects.get()


def test_a_token_speaks_for_its_key_and_may_do_less(text: str) -> None:
    key = get(text)
    token = get(mint(text, scopes=("models",), models=("demo-chat",), seconds=60))
    assert (token.key_id, token.key_public_id, token.project_id) == (key.key_id, key.key_public_id, key.project_id)
    assert token.scopes == {"models"}
    assert token.may_use("demo-chat", "standard")
    assert not token.may_use("another", "standard")
    assert token.expires_at == pytest.approx(time.time() + 60, abs=2)
    assert key.token_id is None
    assert token.token_id is not None


def test_without_wishes_a_token_may_do_what_its_key_may(text: str) -> None:
    key, token = get(text), get(mint(text))
    assert (token.scopes, token.allowed_models, token.networks) == (key.scopes, key.allowed_models, key.networks)
    assert token.may_use("whatever", "premium")
    assert said_by(mint(text))["exp"] - said_by(mint(text))["iat"] == 900


def test_a_token_lives_no_longer_than_the_settings_say_or_its_key(project: Project, settings: Any) -> None:
    settings.TOKEN_MAX_SECONDS = 120
    ends = timezone.now() + timedelta(seconds=50)
    short = issue_key(actor=ACTOR, project=project, name="short", expires_at=ends).text
    long = issue_key(actor=ACTOR, project=project, name="long").text
    assert said_by(mint(long))["exp"] - said_by(mint(long))["iat"] == 120
    assert said_by(mint(short, seconds=100))["exp"] <= ends.timestamp()


def test_a_scope_that_the_key_lacks_is_refused(text: str) -> None:
    with pytest.raises(NotPermitted) as refused:
        mint(text, scopes=("chat", "usage:read"))
    assert (refused.value.code, refused.value.param) == ("missing_scope", "scopes[1]")


def test_a_token_cannot_mint_tokens(text: str) -> None:
    with pytest.raises(NotPermitted) as refused:
        mint(mint(text))
    assert refused.value.code == "api_key_required"


def test_minting_leaves_no_row(text: str, statements: list[str]) -> None:
    get(text)
    before = AuditEvent.objects.count()
    statements.clear()
    mint(text)
    assert statements == []
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize(
    "end",
    [
        lambda: revoke_key(actor=ACTOR, api_key=key_of()),
        lambda: update_key(actor=ACTOR, api_key=key_of(), expires_at=timezone.now() - timedelta(seconds=1)),
        lambda: rotate_key(actor=ACTOR, api_key=key_of(), overlap=timedelta(0)),
    ],
    ids=["revoked", "expired", "rotated without overlap"],
)
def test_a_token_dies_with_its_key(text: str, end: Any) -> None:
    token = mint(text)
    assert get(token)
    end()
    error = refusal(token)
    assert (error.status, error.type, error.code) == (401, "invalid_request_error", "invalid_api_key")
    assert "API key of this access token" in error.message


def test_a_token_outlives_a_rotation_as_long_as_the_secret_that_minted_it(text: str) -> None:
    now = Clock(time.time())
    cache = PrincipalCache(now=now)
    old = mint(text, seconds=3600)
    new_text = rotate_key(actor=ACTOR, api_key=key_of(), overlap=timedelta(seconds=100)).text
    new = mint(new_text, seconds=3600)
    assert get(old, cache).key_id == get(new, cache).key_id
    now.at += 101
    assert refusal(old, cache).code == "invalid_api_key"
    assert get(new, cache)


def test_a_suspended_organization_suspends_its_tokens(text: str, organization: Organization) -> None:
    token = mint(text)
    update_organization_status(actor=ACTOR, organization=organization, status="suspended")
    assert (refusal(token).status, refusal(token).code) == (403, "organization_suspended")
    update_organization_status(actor=ACTOR, organization=organization, status="active")
    assert get(token)


def test_what_the_key_loses_its_tokens_lose(text: str) -> None:
    token = mint(text, scopes=("chat", "models"), models=("demo-chat",))
    assert get(token).has_scope("chat")
    update_key(
        actor=ACTOR,
        api_key=key_of(),
        scopes=["models", "embeddings"],
        allowed_models=["another"],
        allowed_networks=["192.0.2.0/24"],
    )
    narrowed = get(token)
    assert narrowed.scopes == {"models"}
    for model in ("demo-chat", "another", ""):
        assert not narrowed.may_use(model, "standard"), "lists that share nothing allow nothing"
    assert authenticate(f"Bearer {token}", "192.0.2.1")
    with pytest.raises(NotPermitted):
        authenticate(f"Bearer {token}", "198.51.100.1")


def test_an_expired_token_says_so_by_its_code(text: str) -> None:
    now = Clock(time.time())
    cache = PrincipalCache(now=now)
    token = mint(text, cache, seconds=60)
    assert get(token, cache)
    now.at += 61
    for _ in range(2):
        error = refusal(token, cache)
        assert (error.status, error.type, error.code) == (401, "invalid_request_error", "token_expired")
        assert error.headers == {"WWW-Authenticate": "Bearer"}
    assert get(text, cache), "its key goes on"


def test_a_token_ends_to_the_second_and_begins_when_clocks_differ(text: str) -> None:
    now = Clock(time.time())
    cache = PrincipalCache(now=now)
    token = mint(text, cache, seconds=60)
    said = said_by(token)
    now.at = said["iat"] - CLOCK_SKEW
    assert get(token, cache)
    now.at = said["iat"] - CLOCK_SKEW - 1
    assert refusal(token, cache).code == "invalid_api_key"
    now.at = said["exp"] - 0.01
    assert get(token, cache)
    now.at = said["exp"]
    assert refusal(token, cache).code == "token_expired"


def test_a_token_of_another_pepper_ends_with_its_key(text: str, settings: Any, statements: list[str]) -> None:
    token = mint(text)
    settings.API_KEY_PEPPER = "another pepper that is long enough to be one"
    statements.clear()
    assert refusal(token, PrincipalCache()).code == "invalid_api_key"
    assert statements == []


def test_an_error_shows_nothing_of_a_token(text: str) -> None:
    token = mint(text)
    pieces = token.split(".")
    for wrong in (token[:-2], f"{token}x", f"{pieces[0]}.{pieces[1]}.", f"a.{pieces[1]}.{pieces[2]}"):
        message = refusal(wrong).message
        assert all(piece not in message for piece in pieces)
        assert message.startswith("The access token is not valid.")


def test_a_second_use_asks_nobody_and_does_not_yield(text: str, statements: list[str]) -> None:
    token = mint(text)
    first = get(token)
    statements.clear()
    asking = principals.get(token)
    with pytest.raises(StopIteration) as answered:
        asking.send(None)
    assert answered.value.value is first
    assert statements == []


def test_a_second_use_checks_no_signature(text: str, settings: Any) -> None:
    token, another = mint(text), mint(text)
    get(token)
    settings.TOKEN_SIGNING_KEY = "of another process, say"
    assert get(token)
    assert refusal(another).code == "invalid_api_key"


def test_tokens_share_the_snapshot_of_their_key(text: str, statements: list[str]) -> None:
    cache = PrincipalCache()
    tokens = [mint(text, seconds=60 + number) for number in range(50)]
    statements.clear()
    for token in tokens:
        get(token, cache)
    get(text, cache)
    assert len(statements) == 1


def test_made_up_tokens_by_the_thousand_cost_no_query_and_evict_none(text: str, statements: list[str]) -> None:
    cache = PrincipalCache(capacity=3, refusal_capacity=3)
    good = [mint(text, seconds=60 + number) for number in range(3)]
    header, body, signature = good[0].split(".")
    wrong = [f"{header}.{body}{number}.{signature}" for number in range(500)]
    wrong += [f"{number}.{body}.{signature}" for number in range(500)]

    async def flood() -> None:
        for token in good:
            await cache.get(token)
        statements.clear()
        for token in wrong:
            with pytest.raises(KeyRefused):
                await cache.get(token)
        for token in good:
            await cache.get(token)

    asyncio.run(flood())
    assert statements == []
    assert len(vars(cache)["_bearers"]) == 3


def test_no_more_tokens_are_held_than_there_is_room_for(text: str) -> None:
    cache = PrincipalCache(capacity=3)
    tokens = [mint(text, seconds=60 + number) for number in range(6)]
    for token in tokens:
        get(token, cache)
        get(tokens[0], cache)
    bearers = vars(cache)["_bearers"]
    assert len(bearers) == 3
    assert {bearer.claims.jti for bearer in vars(bearers)["_held"].values()} == {
        said_by(token)["jti"] for token in (tokens[0], *tokens[-2:])
    }


def test_the_cache_holds_no_token(text: str) -> None:
    token, cache = mint(text), PrincipalCache()
    get(token, cache)
    bearers = vars(cache)["_bearers"]
    assert token not in repr(vars(bearers))
    (bearer,) = vars(bearers)["_held"].values()
    assert token not in repr(bearer.claims)


def test_a_use_of_a_token_is_a_use_of_its_key(text: str) -> None:
    authenticate(f"Bearer {mint(text)}")
    asyncio.run(last_used.flush())
    assert key_of().last_used_at is not None


def test_a_token_is_bound_to_the_secret_that_minted_it_alone(text: str) -> None:
    minted = mint_token(principal=get(text))
    assert make_key().public_id != minted.claims.sub
    first = get(text).key_version
    new_text = rotate_key(actor=ACTOR, api_key=key_of()).text
    assert minted.claims.key_version == first != get(new_text).key_version
    assert minted.text not in repr(minted)
