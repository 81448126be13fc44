"""The pages of organizations, projects and members."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent, Membership, Organization, Project, Role, User
from accounts.services import add_member
from tests.accounts.conftest import ACTOR

ADD = "/admin/accounts/organization/add/"
MEMBERS = "/admin/accounts/membership/"


def page_of(organization: Organization) -> str:
    """The organization's page."""
    return f"/admin/accounts/organization/{organization.pk}/change/"


def formset(prefix: str, rows: list[dict[str, Any]], initial: int = 0) -> dict[str, Any]:
    """An inline's rows as a browser sends them."""
    fields = {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": initial}
    for number, row in enumerate(rows):
        fields.update({f"{prefix}-{number}-{name}": value for name, value in row.items()})
    return fields


def details(**changes: Any) -> dict[str, Any]:
    """The fields of the organization itself."""
    return {"name": "Reederei Alster", "slug": "reeder", "status": "active", **changes}


def filled(
    organization: Organization,
    *,
    new_projects: list[dict[str, Any]] | None = None,
    members: dict[int, dict[str, Any]] | None = None,
    new_members: list[dict[str, Any]] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """The whole page, everything as it is but for what is named."""
    projects = [
        {"id": project.pk, "organization": organization.pk, "name": project.name, "slug": project.slug}
        for project in organization.projects.order_by("name")
    ]
    places = [
        {"id": place.pk, "organization": organization.pk, "role": place.role, **(members or {}).get(place.pk, {})}
        for place in Membership.objects.for_organization(organization).order_by("organization", "user")
    ]
    return {
        **details(**changes),
        **formset("projects", [*projects, *(new_projects or [])], len(projects)),
        **formset("memberships", places, len(places)),
        **formset("memberships-2", new_members or []),
    }


def place_of(user: User) -> Membership:
    """The membership of `user`."""
    membership: Membership = Membership.objects.get(user=user)
    return membership


def test_an_organization_is_created_with_its_first_owner(operating: Client, operator: User) -> None:
    alice = User.objects.create_user("alice@reeder.example")
    rows = formset("memberships", [{"user": alice.pk, "role": "owner"}])
    answer = operating.post(ADD, {**details(country="DE"), **rows})
    assert answer.status_code == 302
    organization = Organization.objects.get()
    assert organization.country == "DE"
    assert organization.projects.get().is_default
    assert place_of(alice).role == Role.OWNER
    assert list(AuditEvent.objects.order_by("pk").values_list("action", "actor")) == [
        ("organization.created", operator.pk),
        ("project.created", operator.pk),
        ("member.added", operator.pk),
    ]


def test_a_wrong_country_is_said_beside_the_field(operating: Client) -> None:
    answer = operating.post(ADD, {**details(country="Germany"), **formset("memberships", [])})
    assert list(answer.context["adminform"].form.errors) == ["country"]
    assert not Organization.objects.exists()


def test_a_suspension_goes_through_the_service(operating: Client, organization: Organization, operator: User) -> None:
    operating.post(page_of(organization), filled(organization, status="suspended", city="Hamburg"))
    organization.refresh_from_db()
    assert (organization.status, organization.city) == ("suspended", "Hamburg")
    changed, suspended = AuditEvent.objects.filter(actor=operator).order_by("pk")
    assert (changed.action, changed.detail) == ("organization.changed", {"city": "Hamburg"})
    assert suspended.detail == {"from": "active", "to": "suspended"}


def test_projects_are_added_and_changed_on_the_page(operating: Client, organization: Organization) -> None:
    new = {"name": "Shop", "slug": "shop", "cost_centre": "4711"}
    answer = operating.post(page_of(organization), filled(organization, new_projects=[new]))
    assert answer.status_code == 302
    assert organization.projects.get(slug="shop").cost_centre == "4711"
    fields = filled(organization)
    fields["projects-1-name"] = "Web shop"
    fields["projects-1-cost_centre"] = "4711"
    operating.post(page_of(organization), fields)
    assert organization.projects.get(slug="shop").name == "Web shop"
    actions = AuditEvent.objects.filter(target_type="project").order_by("pk").values_list("action", "detail")
    assert list(actions)[-1] == ("project.changed", {"name": "Web shop"})


def test_a_slug_that_is_taken_is_refused_on_the_page(operating: Client, organization: Organization) -> None:
    answer = operating.post(
        page_of(organization), filled(organization, new_projects=[{"name": "Default 2", "slug": "default"}])
    )
    assert answer.status_code == 200
    assert "Please correct the duplicate data for slug." in answer.content.decode()
    assert Project.objects.count() == 1


def test_the_last_owner_stays_and_the_page_says_so_beside_the_role(
    operating: Client, organization: Organization, owner: User
) -> None:
    place = place_of(owner)
    answer = operating.post(page_of(organization), filled(organization, members={place.pk: {"role": "viewer"}}))
    assert answer.status_code == 200
    page = answer.context["inline_admin_formsets"][1].formset
    assert "without an owner" in page.forms[0].errors["role"][0]
    assert "without an owner" in str(page.non_form_errors())
    removed = operating.post(page_of(organization), filled(organization, members={place.pk: {"DELETE": "on"}}))
    assert "without an owner" in removed.content.decode()
    assert place_of(owner).role == Role.OWNER


def test_owners_change_places_on_one_page(operating: Client, organization: Organization, owner: User) -> None:
    bob = User.objects.create_user("bob@reeder.example")
    add_member(actor=ACTOR, organization=organization, user=bob, role=Role.VIEWER)
    swap = {place_of(owner).pk: {"DELETE": "on"}, place_of(bob).pk: {"role": "owner"}}
    answer = operating.post(page_of(organization), filled(organization, members=swap))
    assert answer.status_code == 302
    assert place_of(bob).role == Role.OWNER
    assert Membership.objects.count() == 1


def test_a_member_who_is_one_already_is_refused_on_the_page(
    operating: Client, organization: Organization, owner: User
) -> None:
    twice = [{"user": owner.pk, "role": "viewer", "organization": organization.pk}]
    answer = operating.post(page_of(organization), filled(organization, new_members=twice), follow=True)
    assert "already" in answer.content.decode()
    assert place_of(owner).role == Role.OWNER


def test_organizations_and_projects_cannot_be_deleted(operating: Client, organization: Organization) -> None:
    for url in (
        f"/admin/accounts/organization/{organization.pk}/delete/",
        f"/admin/accounts/project/{organization.projects.get().pk}/delete/",
    ):
        assert operating.post(url, {"post": "yes"}).status_code == 403
    assert Project.objects.exists()


def test_a_project_has_a_page_of_its_own(operating: Client, organization: Organization) -> None:
    fields = {"organization": organization.pk, "name": "Shop", "slug": "shop", "cost_centre": ""}
    assert operating.post("/admin/accounts/project/add/", fields).status_code == 302
    project = Project.objects.get(slug="shop")
    assert not project.is_default
    operating.post(f"/admin/accounts/project/{project.pk}/change/", {**fields, "name": "Web shop"})
    assert AuditEvent.objects.filter(action="project.changed").get().detail == {"name": "Web shop"}


@pytest.mark.parametrize("role", ["admin", "viewer"])
def test_a_membership_page_refuses_the_last_owner_beside_the_role(operating: Client, owner: User, role: str) -> None:
    answer = operating.post(f"{MEMBERS}{place_of(owner).pk}/change/", {"role": role})
    assert "without an owner" in answer.context["adminform"].form.errors["role"][0]
    assert place_of(owner).role == Role.OWNER


def test_a_membership_page_adds_and_changes(operating: Client, organization: Organization, operator: User) -> None:
    bob = User.objects.create_user("bob@reeder.example")
    operating.post(f"{MEMBERS}add/", {"user": bob.pk, "organization": organization.pk, "role": "viewer"})
    operating.post(f"{MEMBERS}{place_of(bob).pk}/change/", {"role": "admin"})
    assert place_of(bob).role == Role.ADMIN
    acts = AuditEvent.objects.filter(actor=operator).order_by("pk").values_list("action", flat=True)
    assert list(acts) == ["member.added", "member.role_changed"]


def test_a_last_owner_is_protected_from_deletion(operating: Client, owner: User) -> None:
    url = f"{MEMBERS}{place_of(owner).pk}/delete/"
    assert "would require deleting the following protected" in operating.get(url).content.decode()
    operating.post(url, {"post": "yes"})
    assert place_of(owner).role == Role.OWNER


def test_a_bulk_deletion_cannot_take_all_owners(operating: Client, organization: Organization, owner: User) -> None:
    bob = User.objects.create_user("bob@reeder.example")
    add_member(actor=ACTOR, organization=organization, user=bob, role=Role.OWNER)
    everybody = [place_of(owner).pk, place_of(bob).pk]
    act = {"action": "delete_selected", "_selected_action": everybody, "post": "yes"}
    operating.post(MEMBERS, act)
    assert Membership.objects.count() == 2
    operating.post(MEMBERS, {**act, "_selected_action": everybody[:1]})
    assert Membership.objects.get().user == bob
    assert AuditEvent.objects.filter(action="member.removed").count() == 1


def test_a_member_is_deleted_through_the_service(operating: Client, organization: Organization, owner: User) -> None:
    bob = User.objects.create_user("bob@reeder.example")
    add_member(actor=ACTOR, organization=organization, user=bob, role=Role.VIEWER)
    answer = operating.post(f"{MEMBERS}{place_of(bob).pk}/delete/", {"post": "yes"}, follow=True)
    assert "deleted successfully" in answer.content.decode()
    assert AuditEvent.objects.get(action="member.removed").target_label.startswith("bob@reeder.example")
