"""An organization with its default project, people, and a count of the queries of all threads."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from accounts.models import Organization, Project, Role, User
from accounts.principals import principals
from accounts.selectors import default_project_of
from accounts.services import add_member, create_organization

ACTOR = "command: test"


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    """The process' principals outlive a test, and the next one's rows have the same ids."""
    principals.clear()
    yield
    principals.clear()


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Real hashing takes seconds on a busy machine, and is Django's."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def organization(db: None) -> Organization:
    """A customer without members."""
    return create_organization(actor=ACTOR, slug="reeder", name="Reederei Alster")


@pytest.fixture
def project(organization: Organization) -> Project:
    """The customer's default project."""
    return default_project_of(organization)


@pytest.fixture
def owner(organization: Organization) -> User:
    """The customer's only owner."""
    user = User.objects.create_user("alice@reeder.example")
    add_member(actor=ACTOR, organization=organization, user=user, role=Role.OWNER)
    return user


@pytest.fixture
def operator(db: None) -> User:
    """An operator with every permission."""
    return User.objects.create_superuser("operator@hanse.example")


@pytest.fixture
def operating(operator: User) -> Client:
    """A browser in which the operator is signed in."""
    client = Client()
    client.force_login(operator)
    return client


class Statements(logging.Handler):
    """The SQL of every connection of every thread."""

    def __init__(self) -> None:
        super().__init__()
        self.sql: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps statements, not what opens and closes transactions."""
        sql = str(getattr(record, "sql", ""))
        if sql.startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
            self.sql.append(sql)


@pytest.fixture
def statements(settings: Any) -> Iterator[list[str]]:
    """What was asked of the database since the test began."""
    settings.DEBUG = True
    logger = logging.getLogger("django.db.backends")
    level, handler = logger.level, Statements()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler.sql
    logger.removeHandler(handler)
    logger.setLevel(level)
