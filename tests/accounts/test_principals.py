"""What a key means at this moment, and for whom."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.errors import NotPermitted
from accounts.keys import make_key
from accounts.models import Organization, Project
from accounts.principals import PrincipalCache
from accounts.services import (
    create_organization,
    issue_key,
    revoke_key,
    rotate_key,
    update_key,
    update_organization_status,
)
from tests.accounts.asking import Clock, get, refusal
from tests.accounts.conftest import ACTOR

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_a_rotation_after_a_change_of_the_pepper_gives_a_key_that_works(project: Project, settings: Any) -> None:
    issued = issue_key(actor=ACTOR, project=project, name="shop")
    settings.API_KEY_PEPPER = "another pepper that is long enough to be one"
    assert refusal(issued.text).code == "invalid_api_key"
    rotated = rotate_key(actor=ACTOR, api_key=issued.api_key)
    assert get(rotated.text).key_id == issued.api_key.pk
    assert rotated.api_key.public_id != issued.api_key.public_id
    again = rotate_key(actor=ACTOR, api_key=issued.api_key)
    assert again.api_key.public_id == rotated.api_key.public_id
