"""`create_organization` and `issue_key`."""

import asyncio
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.keys import parse_key
from accounts.models import ApiKey, AuditEvent, Membership, Organization, User
from accounts.principals import principals
from accounts.services import create_project, revoke_key
from tests.accounts.conftest import ACTOR


def run(*arguments: str) -> tuple[str, str]:
    """Standard output and standard error of a command that succeeds."""
    out, err = io.StringIO(), io.StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    return out.getvalue().strip(), err.getvalue().strip()


def run_json(*arguments: str) -> dict[str, Any]:
    """The one JSON object on standard output."""
    out, err = run(*arguments, "--json")
    assert err == ""
    answer: dict[str, Any] = json.loads(out)
    return answer


def test_an_organization_is_created_with_all_that_was_said(db: None) -> None:
    options = [
        "--name=Reederei Alster",
        "--legal-name=Reederei Alster GmbH",
        "--address-line1=Kai 3",
        "--postal-code=20457",
        "--city=Hamburg",
        "--country=DE",
        "--vat-id=DE123456789",
        "--billing-email=buchhaltung@reeder.example",
        "--owner-email=Alice@Reeder.example",
    ]
    answer = run_json("create_organization", "reeder", *options)
    organization = Organization.objects.get()
    assert answer == {
        "created": True,
        "id": organization.pk,
        "slug": "reeder",
        "name": "Reederei Alster",
        "status": "active",
        "default_project": "default",
    }
    assert organization.legal_name == "Reederei Alster GmbH"
    assert (organization.address_line1, organization.postal_code, organization.city) == ("Kai 3", "20457", "Hamburg")
    assert (organization.country, organization.vat_id) == ("DE", "DE123456789")
    assert organization.billing_email == "buchhaltung@reeder.example"
    place = Membership.objects.get()
    assert (place.user.email, place.role) == ("alice@reeder.example", "owner")
    assert not place.user.has_usable_password()
    assert set(AuditEvent.objects.values_list("actor_label", flat=True)) == {"command: create_organization"}


def test_an_owner_who_has_an_account_keeps_it(db: None) -> None:
    alice = User.objects.create_user("alice@reeder.example", "a long enough secret")
    run("create_organization", "reeder", "--owner-email=alice@reeder.example")
    assert Membership.objects.get().user == alice


def test_creating_an_organization_again_changes_nothing_and_says_so(db: None) -> None:
    assert "created" in run("create_organization", "reeder", "--name=Reederei Alster")[0]
    out, _ = run("create_organization", "reeder", "--name=Other", "--owner-email=eve@other.example")
    assert "exists already" in out
    assert run_json("create_organization", "reeder")["created"] is False
    assert Organization.objects.get().name == "Reederei Alster"
    assert not User.objects.exists()


def test_a_wrong_value_is_named_and_nothing_is_left_behind(db: None) -> None:
    with pytest.raises(CommandError, match="country: Two capital letters"):
        run("create_organization", "reeder", "--country=Germany", "--owner-email=alice@reeder.example")
    assert not Organization.objects.exists()
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_key_is_printed_once_and_alone(organization: Organization) -> None:
    out, err = run("issue_key", "reeder", "nightly")
    assert parse_key(out) == ApiKey.objects.get().public_id
    assert out not in err
    assert asyncio.run(principals.get(out)).organization_slug == "reeder"
    again, told = run("issue_key", "reeder", "nightly")
    assert again == ""
    assert "already" in told
    assert ApiKey.objects.count() == 1


def test_a_key_carries_every_option(organization: Organization) -> None:
    create_project(actor=ACTOR, organization=organization, slug="shop", name="Shop")
    options = "--project=shop --scope=chat --scope=usage:read --model=demo-chat --model-class=premium --expires=90d"
    answer = run_json(
        "issue_key", "reeder", "nightly", *options.split(), "--network=192.0.2.1", "--network=2001:db8::/32"
    )
    key = ApiKey.objects.get()
    assert key.project.slug == "shop"
    assert key.scopes == ["chat", "usage:read"]
    assert (key.allowed_models, key.allowed_classes) == (["demo-chat"], ["premium"])
    assert key.allowed_networks == ["192.0.2.1/32", "2001:db8::/32"]
    assert key.expires_at is not None
    assert abs(key.expires_at - timezone.now() - timedelta(days=90)) < timedelta(minutes=1)
    text = answer.pop("key")
    assert parse_key(text) == key.public_id
    assert answer == {
        "created": True,
        "organization": "reeder",
        "project": "shop",
        "name": "nightly",
        "public_id": key.public_id,
        "state": "active",
        "expires_at": key.expires_at.isoformat(),
    }
    again = run_json("issue_key", "reeder", "nightly", "--project=shop")
    assert again == {**answer, "created": False, "key": None}


def test_the_same_name_in_another_project_is_another_key(organization: Organization) -> None:
    create_project(actor=ACTOR, organization=organization, slug="shop", name="Shop")
    assert run_json("issue_key", "reeder", "nightly")["created"]
    assert run_json("issue_key", "reeder", "nightly", "--project=shop")["created"]


def test_a_revoked_key_does_not_stand_in_the_way_of_a_new_one(organization: Organization) -> None:
    run("issue_key", "reeder", "nightly")
    revoke_key(actor=ACTOR, api_key=ApiKey.objects.get())
    assert run_json("issue_key", "reeder", "nightly")["created"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2099-01-31", datetime(2099, 1, 31, tzinfo=UTC)),
        ("2099-01-31T12:00:00+01:00", datetime(2099, 1, 31, 11, tzinfo=UTC)),
    ],
)
def test_an_expiry_may_be_a_date(organization: Organization, text: str, meant: datetime) -> None:
    run("issue_key", "reeder", "nightly", f"--expires={text}")
    assert ApiKey.objects.get().expires_at == meant


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody", "x"], "no organization nobody with a default project"),
        (["reeder", "x", "--project=shop"], "no organization reeder with a project shop"),
        (["reeder", "x", "--network=office"], "allowed_networks: “office” is no IP address"),
        (["reeder", "x", "--expires=2001-01-01"], "expires_at: This moment has passed"),
        (["reeder", "x", "--expires=soon"], "--expires"),
        (["reeder", "x", "--scope=everything"], "--scope"),
        (["reeder", " "], "name: A key needs a name"),
    ],
)
def test_a_mistake_is_named_and_issues_nothing(organization: Organization, arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run("issue_key", *arguments)
    assert not ApiKey.objects.exists()


def test_a_command_signs_the_trail(organization: Organization) -> None:
    out, _ = run("issue_key", "reeder", "nightly")
    event = AuditEvent.objects.get(action="api_key.issued")
    assert (event.actor, event.actor_label) == (None, "command: issue_key")
    assert out not in json.dumps(event.detail)
