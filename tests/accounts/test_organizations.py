"""Organizations, projects and users."""

import pytest
from django.core.exceptions import ValidationError

from accounts.models import AuditEvent, Organization, Project, User
from accounts.selectors import default_project_of, memberships_of
from accounts.services import (
    create_organization,
    create_project,
    create_user,
    set_password,
    update_organization,
    update_organization_status,
    update_project,
    update_user,
)
from tests.accounts.conftest import ACTOR


def events() -> list[tuple[str, str, dict[str, object]]]:
    """The trail, oldest first."""
    return list(AuditEvent.objects.order_by("pk").values_list("action", "actor_label", "detail"))


def test_an_organization_comes_with_a_default_project_and_its_owner(db: None) -> None:
    alice = User.objects.create_user("alice@reeder.example")
    organization = create_organization(
        actor=alice, slug="reeder", name="Reederei Alster", owner=alice, country="DE", vat_id="DE123456789"
    )
    project = default_project_of(organization)
    assert (project.slug, project.is_default) == ("default", True)
    assert [(place.organization, place.role) for place in memberships_of(alice)] == [(organization, "owner")]
    assert [action for action, _, _ in events()] == ["organization.created", "project.created", "member.added"]
    assert events()[0][1:] == (
        "alice@reeder.example",
        {"slug": "reeder", "name": "Reederei Alster", "country": "DE", "vat_id": "DE123456789"},
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [("slug", "not a slug"), ("slug", "reeder"), ("name", ""), ("country", "Germany"), ("billing_email", "nobody")],
)
def test_a_wrong_value_is_refused_with_its_field(organization: Organization, field: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        create_organization(actor=ACTOR, **{"slug": "kontor", "name": "Kontor", field: value})
    assert field in refused.value.message_dict
    assert Organization.objects.count() == 1


def test_a_change_of_details_is_noted_field_by_field(organization: Organization) -> None:
    changed = update_organization(actor=ACTOR, organization=organization, city="Hamburg", name="Reederei Alster")
    assert changed.city == "Hamburg"
    assert events()[-1] == ("organization.changed", ACTOR, {"city": "Hamburg"})
    with pytest.raises(ValidationError):
        update_organization(actor=ACTOR, organization=organization, country="de")


def test_a_status_is_changed_and_noted_once(organization: Organization) -> None:
    update_organization_status(actor=ACTOR, organization=organization, status="suspended")
    update_organization_status(actor=ACTOR, organization=organization, status="suspended")
    noted = [event for event in events() if event[0] == "organization.status_changed"]
    assert noted == [("organization.status_changed", ACTOR, {"from": "active", "to": "suspended"})]
    with pytest.raises(ValueError, match="paused"):
        update_organization_status(actor=ACTOR, organization=organization, status="paused")


def test_projects_are_created_and_changed_once_per_slug(organization: Organization) -> None:
    project = create_project(actor=ACTOR, organization=organization, slug="shop", name="Shop", cost_centre="4711")
    update_project(actor=ACTOR, project=project, cost_centre="4712", name="Shop")
    assert events()[-1] == ("project.changed", ACTOR, {"cost_centre": "4712"})
    with pytest.raises(ValidationError):
        create_project(actor=ACTOR, organization=organization, slug="shop", name="Shop")
    assert Project.objects.for_organization(organization).count() == 2


def test_people_see_their_own_organizations_only(organization: Organization, owner: User) -> None:
    create_organization(actor=ACTOR, slug="kontor", name="Kontor")
    assert [place.organization for place in memberships_of(owner)] == [organization]


def test_a_user_is_created_changed_and_given_a_password_without_the_trail_knowing_it(db: None) -> None:
    user = create_user(actor=ACTOR, email=" Ada@Kontor.Example ", full_name="Ada")
    assert user.email == "ada@kontor.example"
    assert not user.has_usable_password()
    update_user(actor=ACTOR, user=user, email="ADA@kontor.example", is_staff=True)
    set_password(actor=ACTOR, user=user, password="a long enough secret")
    user.refresh_from_db()
    assert user.check_password("a long enough secret")
    assert events() == [
        ("user.created", ACTOR, {"operator": False, "can_sign_in": False}),
        ("user.changed", ACTOR, {"is_staff": True}),
        ("user.password_changed", ACTOR, {"can_sign_in": True}),
    ]


def test_one_address_is_one_user_whatever_its_case(db: None) -> None:
    create_user(actor=ACTOR, email="ada@kontor.example")
    with pytest.raises(ValidationError) as refused:
        create_user(actor=ACTOR, email="ADA@kontor.example")
    assert "email" in refused.value.message_dict
