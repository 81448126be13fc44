"""A customer with a key, and entries of their requests."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uuid_utils.compat

from accounts.models import ApiKey, Organization, Project
from accounts.selectors import default_project_of
from accounts.services import create_organization, issue_key
from billing.metering import UsageEntry

ACTOR = "command: test"
MakeEntry = Callable[..., UsageEntry]


@dataclass
class Customer:
    """An organization with one key."""

    organization: Organization
    project: Project
    api_key: ApiKey


def make_customer(slug: str) -> Customer:
    """A new one."""
    organization = create_organization(actor=ACTOR, slug=slug, name=slug.title())
    project = default_project_of(organization)
    return Customer(organization, project, issue_key(actor=ACTOR, project=project, name="shop").api_key)


def make_entry(customer: Customer | None = None, **values: Any) -> UsageEntry:
    """A completed request of the customer's key; without one, of nobody."""
    whose = {
        "organization_id": customer.organization.pk if customer else 1,
        "project_id": customer.project.pk if customer else 1,
        "api_key_id": customer.api_key.pk if customer else 1,
    }
    usual = {
        "id": uuid_utils.compat.uuid7(),
        "model_id": "demo-chat",
        "endpoint": "chat.completions",
        "deployment": "gpu-1",
        "started_at": time.time(),
        "input_tokens": 1000,
        "output_tokens": 200,
        "token_source": "reported",
        "cost_nano": 700_000,
        "outcome": "completed",
        "total_ms": 1500,
    }
    return UsageEntry(**{**whose, **usual, **values})


@pytest.fixture
def customer(db: None) -> Customer:
    """The customer of most tests."""
    return make_customer("reeder")


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> Path:
    """A VAR_DIR for each test, so that no test sweeps another's journal."""
    settings.VAR_DIR = tmp_path
    return tmp_path
