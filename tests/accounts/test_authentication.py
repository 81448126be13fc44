"""The Authorization header."""

import asyncio
from typing import Any

import pytest
from django.test import RequestFactory

from accounts import last_used
from accounts.authentication import ApiKeyAuthentication, bearer_token
from accounts.errors import KeyRefused, NotPermitted
from accounts.models import ApiKey, Project
from accounts.principals import Principal
from accounts.services import issue_key
from tests.accounts.conftest import ACTOR


def authenticate(header: str, address: str = "192.0.2.1") -> Principal:
    """What the base view gets for a request with this header."""
    headers: dict[str, Any] = {"HTTP_AUTHORIZATION": header} if header else {}
    request = RequestFactory().get("/v1/models", REMOTE_ADDR=address, **headers)
    principal, _ = asyncio.run(ApiKeyAuthentication().authenticate(request))
    return principal


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_a_bearer_key_says_who_calls(project: Project, scheme: str) -> None:
    issued = issue_key(actor=ACTOR, project=project, name="shop")
    assert authenticate(scheme + issued.text).key_id == issued.api_key.pk


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Token abc", "sk-hanse-abc"])
def test_without_a_bearer_key_the_answer_tells_how_to_send_one(header: str) -> None:
    with pytest.raises(KeyRefused) as refused:
        bearer_token(header)
    error = refused.value
    assert (error.status, error.type, error.code) == (401, "invalid_request_error", "invalid_api_key")
    assert "You didn't provide an API key" in error.message
    assert error.headers == {"WWW-Authenticate": "Bearer"}


def test_a_wrong_key_is_named_by_four_characters_only() -> None:
    with pytest.raises(KeyRefused) as refused:
        authenticate("Bearer sk-proj-0123456789abcdefghij")
    assert refused.value.message.startswith("Incorrect API key provided: sk**ij.")
    assert refused.value.headers == {"WWW-Authenticate": "Bearer"}


@pytest.mark.django_db(transaction=True)
def test_a_key_with_an_allow_list_is_refused_from_elsewhere(project: Project) -> None:
    issued = issue_key(actor=ACTOR, project=project, name="shop", allowed_networks=["192.0.2.0/24"])
    assert authenticate(f"Bearer {issued.text}", "192.0.2.1").key_id == issued.api_key.pk
    with pytest.raises(NotPermitted):
        authenticate(f"Bearer {issued.text}", "198.51.100.1")


@pytest.mark.django_db(transaction=True)
def test_a_use_is_noted_and_a_refused_one_is_not(project: Project) -> None:
    used = issue_key(actor=ACTOR, project=project, name="used", allowed_networks=["192.0.2.0/24"])
    authenticate(f"Bearer {used.text}")
    asyncio.run(last_used.flush())
    assert ApiKey.objects.get().last_used_at is not None
    ApiKey.objects.update(last_used_at=None)
    with pytest.raises(NotPermitted):
        authenticate(f"Bearer {used.text}", "198.51.100.1")
    asyncio.run(last_used.flush())
    assert ApiKey.objects.get().last_used_at is None
