"""The trail only grows."""

import pytest
from django.db import transaction

from accounts.audit import record_event
from accounts.models import AuditEvent, Organization, User
from accounts.models.audit import AppendOnlyError
from accounts.services import create_organization
from tests.accounts.conftest import ACTOR


def test_an_event_says_who_did_what_to_whom(organization: Organization, operator: User) -> None:
    event = record_event(
        actor=operator, organization=organization, action="model.granted", target=organization, detail={"model": "a"}
    )
    event.refresh_from_db()
    assert (event.actor, event.actor_label) == (operator, "operator@hanse.example")
    assert (event.target_type, event.target_id) == ("organization", str(organization.pk))
    assert event.target_label == "Reederei Alster"
    assert event.detail == {"model": "a"}


def test_a_command_acts_under_its_name(organization: Organization) -> None:
    event = AuditEvent.objects.filter(action="organization.created").get()
    assert (event.actor, event.actor_label) == (None, ACTOR)


def test_the_past_cannot_be_changed_or_deleted(organization: Organization) -> None:
    event = AuditEvent.objects.order_by("pk")[0]
    event.action = "nothing.happened"
    with pytest.raises(AppendOnlyError):
        event.save()
    with pytest.raises(AppendOnlyError):
        event.delete()
    with pytest.raises(AppendOnlyError):
        AuditEvent.objects.update(action="nothing.happened")
    with pytest.raises(AppendOnlyError):
        AuditEvent.objects.all().delete()
    with pytest.raises(AppendOnlyError), transaction.atomic():
        AuditEvent.objects.bulk_update([event], ["action"])
    assert AuditEvent.objects.get(pk=event.pk).action == "organization.created"


def test_an_act_that_fails_leaves_no_event(organization: Organization) -> None:
    before = AuditEvent.objects.count()
    with pytest.raises(Exception, match="already exists"):
        create_organization(actor=ACTOR, slug="reeder", name="Again")
    assert AuditEvent.objects.count() == before
