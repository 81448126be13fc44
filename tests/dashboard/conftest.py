"""Alice owns an organization, Bob only looks at it, Charlie belongs elsewhere."""

import secrets
from dataclasses import dataclass

import pytest
from django.core.cache import caches
from django.test import Client

from accounts.models import ApiKey, Organization, Role, User
from accounts.selectors import default_project_of
from accounts.services import add_member, create_organization, issue_key

PASSWORD = "correct horse battery staple"


@dataclass
class Cast:
    """The people and their places; each client is signed in."""

    organization: Organization
    elsewhere: Organization
    api_key: ApiKey
    alice: Client
    bob: Client
    charlie: Client


def sign_in(user: User) -> Client:
    """A client in which `user` is signed in."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture(autouse=True)
def fresh_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts to sign in are counted in the cache, which outlives a test: each gets a corner of its own.

    Not `cache.clear()`: that empties the whole Redis database, and with it the run's claim on it.
    """
    monkeypatch.setattr(caches["default"], "key_prefix", secrets.token_hex(8))


@pytest.fixture(autouse=True)
def quick_passwords(settings) -> None:
    """Django's hash is slow on purpose; a cast of three would wait for it in every test."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def cast(db: None) -> Cast:
    """Alice's organization `reeder` with one key and Bob as viewer; Charlie's is `kontor`."""
    alice = User.objects.create_user("alice@reeder.example", PASSWORD)
    bob = User.objects.create_user("bob@reeder.example", PASSWORD)
    charlie = User.objects.create_user("charlie@kontor.example", PASSWORD)
    organization = create_organization(actor=alice, slug="reeder", name="Reederei Alster", owner=alice)
    elsewhere = create_organization(actor=charlie, slug="kontor", name="Kontor Trave", owner=charlie)
    add_member(actor=alice, organization=organization, user=bob, role=Role.VIEWER)
    issued = issue_key(actor=alice, project=default_project_of(organization), name="shop")
    return Cast(organization, elsewhere, issued.api_key, sign_in(alice), sign_in(bob), sign_in(charlie))
