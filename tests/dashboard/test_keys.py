"""Issuing and revoking keys as a member."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone

from accounts.keys import make_key, parse_key
from accounts.models import ApiKey, AuditEvent, Organization, Role
from accounts.selectors import default_project_of
from accounts.services import create_project, issue_key
from inference.models import ServedModel
from tests.dashboard.conftest import Cast

KEYS = "/o/reeder/keys/"
ISSUE = "/o/reeder/keys/issue/"


def wanted(cast: Cast, **changes: object) -> dict[str, object]:
    """What Alice fills in."""
    return {
        "name": "chat bot",
        "project": default_project_of(cast.organization).pk,
        "scopes": ["chat", "usage:read"],
        "models": [],
        "last_day": "",
        "networks": "",
        **changes,
    }


def publish(model_id: str, **changes: object) -> ServedModel:
    """A model in the catalogue."""
    limits = {"context_length": 4096, "max_output_tokens": 1024, "default_output_tokens": 256}
    return ServedModel.objects.create(model_id=model_id, **{"published": True, **limits, **changes})


def issued_text(page: str) -> str:
    """The key on the page."""
    return page.partition('id="new-key">')[2].partition("<")[0]


def test_a_new_key_is_shown_once_and_kept_nowhere(cast: Cast) -> None:
    answer = cast.alice.post(ISSUE, wanted(cast))
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    text = issued_text(answer.content.decode())
    key = ApiKey.objects.get(public_id=parse_key(text))
    assert (key.name, key.scopes, key.project.organization) == ("chat bot", ["chat", "usage:read"], cast.organization)
    assert AuditEvent.objects.filter(action="api_key.issued", target_label__contains="chat bot").exists()

    secret = text[len("sk-hanse-") + 12 :]
    assert secret not in cast.alice.get(KEYS).content.decode()
    assert key.public_id in cast.alice.get(KEYS).content.decode()
    for session in Session.objects.all():
        assert secret not in str(session.get_decoded())
    assert all(secret not in morsel.value for morsel in answer.cookies.values())
    assert all(secret not in str(event.detail) for event in AuditEvent.objects.all())


def test_sending_the_form_twice_issues_one_key(cast: Cast) -> None:
    assert cast.alice.post(ISSUE, wanted(cast)).status_code == 200
    again = cast.alice.post(ISSUE, wanted(cast))
    assert "has a key “chat bot” already" in again.content.decode()
    assert ApiKey.objects.filter(name="chat bot").count() == 1


def test_the_last_day_is_whole_and_in_utc(cast: Cast) -> None:
    day = (timezone.now() + timedelta(days=30)).date()
    cast.alice.post(ISSUE, wanted(cast, last_day=day.isoformat()))
    end = ApiKey.objects.get(name="chat bot").expires_at
    assert end == datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


def test_restrictions_reach_the_key(cast: Cast) -> None:
    publish("anchor")
    publish("buoy")
    cast.alice.post(ISSUE, wanted(cast, models=["buoy"], networks="192.0.2.0/24\n\n 2001:db8::/32 \n"))
    key = ApiKey.objects.get(name="chat bot")
    assert key.allowed_models == ["buoy"]
    assert key.allowed_networks == ["192.0.2.0/24", "2001:db8::/32"]


def test_only_models_that_the_organization_may_use_are_offered(cast: Cast) -> None:
    publish("anchor")
    publish("draft", published=False)
    publish("gone", lifecycle="retired")
    publish("theirs", visibility="granted").grants.create(organization=cast.elsewhere)
    publish("ours", visibility="granted").grants.create(organization=cast.organization)
    page = cast.alice.get(ISSUE)
    assert [value for value, _ in page.context["form"].fields["models"].choices] == ["anchor", "ours"]
    cast.alice.post(ISSUE, wanted(cast, models=["theirs"]))
    assert not ApiKey.objects.filter(name="chat bot").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"scopes": []}, "This field is required."),
        ({"scopes": ["root"]}, "Select a valid choice"),
        ({"last_day": "2001-01-01"}, "This day has passed."),
        ({"last_day": "9999-12-31"}, "Leave this empty"),
        ({"last_day": "soon"}, "Enter a valid date."),
        ({"networks": "300.1.1.1"}, "is no IP address"),
        ({"networks": "10.0.0.5/8"}, "is an address inside a range"),
        ({"project": "999999"}, "Select a valid choice"),
        ({"name": make_key().text}, "This is an API key, not a name for one."),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(cast: Cast, changes: dict[str, object], sentence: str) -> None:
    before = ApiKey.objects.count()
    answer = cast.alice.post(ISSUE, wanted(cast, **changes))
    assert answer.context["form"].errors
    assert sentence in answer.content.decode()
    assert ApiKey.objects.count() == before


def test_a_key_cannot_be_issued_in_another_organizations_project(cast: Cast) -> None:
    answer = cast.alice.post(ISSUE, wanted(cast, project=default_project_of(cast.elsewhere).pk))
    assert answer.context["form"].errors
    assert not ApiKey.objects.filter(name="chat bot").exists()


def test_with_several_projects_one_is_chosen(cast: Cast) -> None:
    assert "<select" not in cast.alice.get(ISSUE).content.decode()
    alice = cast.organization.memberships.get(role=Role.OWNER).user
    project = create_project(actor=alice, organization=cast.organization, slug="night", name="Night shift")
    assert "<select" in cast.alice.get(ISSUE).content.decode()
    cast.alice.post(ISSUE, wanted(cast, project=project.pk))
    assert ApiKey.objects.get(name="chat bot").project == project


def test_a_key_is_revoked_after_a_question(cast: Cast) -> None:
    address = reverse("revoke-key", args=["reeder", cast.api_key.public_id])
    assert "Revoke “shop”?" in cast.alice.get(address).content.decode()
    cast.api_key.refresh_from_db()
    assert cast.api_key.revoked_at is None
    answer = cast.alice.post(address, follow=True)
    assert answer.redirect_chain == [(KEYS, 302)]
    assert "The key “shop” is revoked." in answer.content.decode()
    cast.api_key.refresh_from_db()
    assert cast.api_key.status() == "revoked"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.BILLING])
def test_who_may_only_look_sees_keys_but_no_buttons_and_cannot_post(cast: Cast, role: str) -> None:
    cast.organization.memberships.filter(user__email="bob@reeder.example").update(role=role)
    revoke = reverse("revoke-key", args=["reeder", cast.api_key.public_id])
    for page in (KEYS, "/o/reeder/"):
        text = cast.bob.get(page).content.decode()
        assert cast.api_key.public_id in text
        assert ISSUE not in text
        assert revoke not in text
    for address in (ISSUE, revoke):
        for answer in (cast.bob.get(address), cast.bob.post(address, wanted(cast))):
            assert answer.status_code == 403
            assert "You may not do this" in answer.content.decode()
    cast.api_key.refresh_from_db()
    assert cast.api_key.revoked_at is None
    assert not ApiKey.objects.filter(name="chat bot").exists()


def test_in_a_suspended_organization_members_only_look(cast: Cast) -> None:
    Organization.objects.filter(pk=cast.organization.pk).update(status=Organization.Status.SUSPENDED)
    page = cast.alice.get(KEYS)
    assert page.status_code == 200
    assert "is suspended: its API keys are refused" in page.content.decode()
    assert cast.alice.post(ISSUE, wanted(cast)).status_code == 403


def test_names_are_text_and_never_markup(cast: Cast) -> None:
    hostile = "<script>alert(1)</script>"
    cast.alice.post(ISSUE, wanted(cast, name=hostile))
    key = ApiKey.objects.get(name=hostile)
    for address in (KEYS, "/o/reeder/", reverse("revoke-key", args=["reeder", key.public_id])):
        page = cast.alice.get(address).content.decode()
        assert hostile not in page
        assert "&lt;script&gt;" in page


def test_the_pages_cost_the_same_number_of_queries_with_many_keys(cast: Cast, django_assert_max_num_queries) -> None:
    alice = cast.organization.memberships.get(role=Role.OWNER).user
    for number in range(12):
        project = create_project(actor=alice, organization=cast.organization, slug=f"p{number}", name=f"P {number}")
        issue_key(actor=alice, project=project, name=f"key {number}")
    for address in (KEYS, ISSUE):
        with django_assert_max_num_queries(5):  # session, user, memberships, and what the page is about
            assert cast.alice.get(address).status_code == 200
