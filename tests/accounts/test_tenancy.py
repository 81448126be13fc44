"""Every row of a customer is reached through `for_organization`."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db.models import ForeignKey, Model

from accounts.models import (
    ApiKey,
    ApiKeySecret,
    AuditEvent,
    Membership,
    Organization,
    Project,
)
from accounts.services import create_organization, issue_key
from accounts.tenancy import TenantQuerySet
from tests.accounts.conftest import ACTOR

# Set by operators and read for all customers at once, by the catalogue.
NOT_A_TENANTS = {"inference.ModelGrant"}


def tenant_models() -> Iterator[type[Model]]:
    """Models of our apps whose rows each belong to an organization, directly or through a project or key."""
    for model in apps.get_models():
        if model._meta.app_label in {"accounts", "billing", "inference"} and model._meta.label not in NOT_A_TENANTS:
            for field in model._meta.get_fields():
                owned_by = field.related_model if isinstance(field, ForeignKey) else None
                if owned_by in (Organization, Project, ApiKey) and not field.null:
                    yield model
                    break


def test_the_walk_finds_the_models_that_we_know() -> None:
    found = set(tenant_models())
    assert {Project, Membership, ApiKey, ApiKeySecret} <= found
    assert "billing.UsageRecord" in {model._meta.label for model in found}


@pytest.mark.parametrize("model", [*tenant_models(), AuditEvent], ids=lambda model: model._meta.label)
def test_every_tenant_model_can_be_asked_for_one_organization(model: type[Model], organization: Organization) -> None:
    queryset = model._default_manager.all()
    assert isinstance(queryset, TenantQuerySet)
    assert list(queryset.for_organization(organization)[:1]) == list(queryset.for_organization(organization.pk)[:1])


def test_for_organization_leaves_the_others_out(organization: Organization) -> None:
    elsewhere = create_organization(actor=ACTOR, slug="kontor", name="Kontor")
    for one in (organization, elsewhere):
        issue_key(actor=ACTOR, project=one.projects.get(), name="shop")
    for model in (Project, ApiKey, ApiKeySecret):
        assert model._default_manager.count() == 2
        (row,) = model.objects.for_organization(elsewhere)
        assert row == model.objects.order_by("pk").last(), "the second organization's row is the younger one"
