"""Issuing, changing, rotating and revoking."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.forms.models import model_to_dict
from django.utils import timezone

from accounts.keys import digest_of, make_key
from accounts.models import ApiKey, ApiKeySecret, AuditEvent, Project, User
from accounts.restrictions import MODEL_CLASSES
from accounts.scopes import DEFAULT_SCOPES, SCOPES
from accounts.services import KeyInactiveError, StaleRotationError, issue_key, revoke_key, rotate_key, update_key
from inference.models.catalogue import ModelClass
from tests.accounts.conftest import ACTOR


def test_a_new_key_may_everything_but_read_usage(project: Project) -> None:
    key = issue_key(actor=ACTOR, project=project, name="shop").api_key
    assert set(key.scopes) == set(DEFAULT_SCOPES) == set(SCOPES) - {"usage:read"}
    assert (key.allowed_models, key.allowed_classes, key.allowed_networks, key.expires_at) == ([], [], [], None)


def test_only_the_digest_of_a_key_is_stored(project: Project, settings: Any) -> None:
    issued = issue_key(actor=ACTOR, project=project, name="shop")
    assert bytes(ApiKeySecret.objects.get().digest) == digest_of(issued.text, settings.API_KEY_PEPPER)
    rows = [ApiKey.objects.values().get(), ApiKeySecret.objects.values().get(), *AuditEvent.objects.values()]
    secret = issued.text[len("sk-hanse-") + 12 : -6]
    assert secret not in repr(rows)
    assert secret not in repr(issued)
    assert secret not in f"{issued} {issued.api_key!r}"


def test_an_issued_key_remembers_who_issued_it(project: Project, owner: User) -> None:
    assert issue_key(actor=owner, project=project, name="a").api_key.created_by == owner
    assert issue_key(actor=ACTOR, project=project, name="b").api_key.created_by is None


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", " ", "needs a name"),
        ("name", "x" * 101, "more than 100"),
        ("scopes", [], "at least one scope"),
        ("scopes", ["chat", "admin"], "Unknown scope: admin"),
        ("allowed_models", ["demo-chat", "demo chat"], "“demo chat” cannot be a model id"),
        ("allowed_classes", ["gold"], "Unknown model class: gold"),
        ("allowed_networks", ["10.0.0.5/8"], "inside a range"),
        ("expires_at", timezone.now() - timedelta(seconds=1), "has passed"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(project: Project, field: str, value: Any, message: str) -> None:
    values = {"name": "shop", field: value}
    with pytest.raises(ValidationError) as refused:
        issue_key(actor=ACTOR, project=project, **values)
    assert list(refused.value.message_dict) == [field]
    assert message in refused.value.message_dict[field][0]
    assert not ApiKey.objects.exists()


def test_a_key_pasted_as_a_name_is_refused_unrepeated(project: Project) -> None:
    pasted = make_key().text
    with pytest.raises(ValidationError) as refused:
        issue_key(actor=ACTOR, project=project, name=f"old: {pasted}")
    assert pasted not in str(refused.value)


def test_values_are_kept_in_their_canonical_form(project: Project) -> None:
    key = issue_key(
        actor=ACTOR,
        project=project,
        name="  shop ",
        scopes=["embeddings", "chat", "chat"],
        allowed_models=[" b ", "a", "", "b"],
        allowed_networks=["2001:DB8::/32", "192.0.2.1"],
    ).api_key
    key.refresh_from_db()
    assert key.name == "shop"
    assert key.scopes == ["chat", "embeddings"]
    assert key.allowed_models == ["b", "a"]
    assert key.allowed_networks == ["2001:db8::/32", "192.0.2.1/32"]


def test_a_project_has_one_living_key_of_a_name(project: Project) -> None:
    first = issue_key(actor=ACTOR, project=project, name="shop").api_key
    with pytest.raises(ValidationError, match="already"):
        issue_key(actor=ACTOR, project=project, name="shop")
    revoke_key(actor=ACTOR, api_key=first)
    second = issue_key(actor=ACTOR, project=project, name="shop").api_key
    assert second.public_id != first.public_id


def test_the_database_holds_that_rule_against_races(project: Project) -> None:
    key = issue_key(actor=ACTOR, project=project, name="shop").api_key
    values = model_to_dict(key, exclude=["id", "project"])
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.create(project=project, public_id="another", **values)


def test_a_change_is_cleaned_kept_and_noted(project: Project) -> None:
    key = issue_key(actor=ACTOR, project=project, name="shop").api_key
    changed = update_key(actor=ACTOR, api_key=key, name="shop", scopes=["chat"], allowed_networks=["192.0.2.1"])
    assert (changed.scopes, changed.allowed_networks) == (["chat"], ["192.0.2.1/32"])
    event = AuditEvent.objects.get(action="api_key.changed")
    assert event.detail == {"scopes": ["chat"], "allowed_networks": ["192.0.2.1/32"]}


def test_a_change_of_nothing_is_no_event(project: Project) -> None:
    key = issue_key(actor=ACTOR, project=project, name="shop").api_key
    update_key(actor=ACTOR, api_key=key, name="shop")
    assert not AuditEvent.objects.filter(action="api_key.changed").exists()


def test_a_key_cannot_take_anothers_name(project: Project) -> None:
    issue_key(actor=ACTOR, project=project, name="shop")
    key = issue_key(actor=ACTOR, project=project, name="batch").api_key
    with pytest.raises(ValidationError) as refused:
        update_key(actor=ACTOR, api_key=key, name="shop")
    assert "name" in refused.value.message_dict


def test_a_revocation_is_final_and_noted_once(project: Project) -> None:
    key = issue_key(actor=ACTOR, project=project, name="shop").api_key
    first = revoke_key(actor=ACTOR, api_key=key)
    again = revoke_key(actor=ACTOR, api_key=key)
    assert again.revoked_at == first.revoked_at
    assert again.status() == "revoked"
    assert AuditEvent.objects.filter(action="api_key.revoked").count() == 1


def test_a_rotation_keeps_the_id_and_ends_the_old_secret(project: Project, settings: Any) -> None:
    settings.KEY_ROTATION_OVERLAP_HOURS = 5
    issued = issue_key(actor=ACTOR, project=project, name="shop")
    before = timezone.now()
    rotated = rotate_key(actor=ACTOR, api_key=issued.api_key)
    assert rotated.api_key == issued.api_key
    assert rotated.text != issued.text
    new, old = ApiKeySecret.objects.order_by("-pk")
    assert new.expires_at is None
    assert old.expires_at is not None
    assert before + timedelta(hours=5) <= old.expires_at <= timezone.now() + timedelta(hours=5)


def test_a_second_rotation_never_prolongs_the_first_secret(project: Project) -> None:
    key = issue_key(actor=ACTOR, project=project, name="shop").api_key
    rotate_key(actor=ACTOR, api_key=key, overlap=timedelta(hours=1))
    first_end = ApiKeySecret.objects.order_by("pk")[0].expires_at
    rotate_key(actor=ACTOR, api_key=key, overlap=timedelta(hours=9))
    assert ApiKeySecret.objects.order_by("pk")[0].expires_at == first_end
    rotate_key(actor=ACTOR, api_key=key, overlap=timedelta(0))
    assert ApiKeySecret.objects.count() == 1


def test_only_an_active_key_is_rotated(project: Project) -> None:
    revoked = revoke_key(actor=ACTOR, api_key=issue_key(actor=ACTOR, project=project, name="a").api_key)
    with pytest.raises(KeyInactiveError, match="revoked"):
        rotate_key(actor=ACTOR, api_key=revoked)
    expired = issue_key(actor=ACTOR, project=project, name="b").api_key
    ApiKey.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
    with pytest.raises(KeyInactiveError, match="expired"):
        rotate_key(actor=ACTOR, api_key=expired)


def test_a_second_click_does_not_rotate_twice(project: Project) -> None:
    key = issue_key(actor=ACTOR, project=project, name="shop").api_key
    seen = ApiKeySecret.objects.get().pk
    rotate_key(actor=ACTOR, api_key=key, expected_secret=seen)
    with pytest.raises(StaleRotationError):
        rotate_key(actor=ACTOR, api_key=key, expected_secret=seen)
    assert ApiKeySecret.objects.count() == 2


def test_a_negative_overlap_is_a_mistake(project: Project) -> None:
    key = issue_key(actor=ACTOR, project=project, name="shop").api_key
    with pytest.raises(ValueError, match="negative"):
        rotate_key(actor=ACTOR, api_key=key, overlap=timedelta(seconds=-1))


def test_every_act_on_a_key_stands_in_the_trail(project: Project, owner: User) -> None:
    issued = issue_key(actor=owner, project=project, name="shop", expires_at=timezone.now() + timedelta(days=1))
    update_key(actor=owner, api_key=issued.api_key, expires_at=None)
    rotated = rotate_key(actor=owner, api_key=issued.api_key)
    revoke_key(actor=owner, api_key=issued.api_key)
    events = AuditEvent.objects.for_organization(project.organization).filter(target_type="apikey").order_by("pk")
    actions = ["api_key.issued", "api_key.changed", "api_key.rotated", "api_key.revoked"]
    assert [event.action for event in events] == actions
    assert {(event.actor, event.actor_label, event.target_id) for event in events} == {
        (owner, owner.email, str(issued.api_key.pk))
    }
    told = json.dumps([event.detail for event in events])
    assert issued.text not in told
    assert rotated.text not in told


def test_the_classes_are_those_of_the_catalogue() -> None:
    assert dict(ModelClass.choices) == MODEL_CLASSES
