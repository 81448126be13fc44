"""Who may do what."""

import pytest

from accounts.models import Organization, Role, User
from accounts.permissions import ACTS, OWNER, acts_of, can, may_assign, role_may
from accounts.services import add_member, create_organization, update_organization_status
from tests.accounts.conftest import ACTOR


def test_every_role_has_a_row_and_sees_keys_and_usage() -> None:
    assert set(ACTS) == set(Role.values)
    for role in Role.values:
        assert {"keys.view", "usage.view", "members.view"} <= ACTS[role]


@pytest.mark.parametrize(
    ("act", "roles"),
    [
        ("keys.issue", {"owner", "admin", "developer"}),
        ("keys.revoke", {"owner", "admin", "developer"}),
        ("billing.view", {"owner", "admin", "billing"}),
        ("members.manage", {"owner", "admin"}),
        ("organization.change", {"owner", "admin"}),
        ("owners.manage", {"owner"}),
    ],
)
def test_an_act_belongs_to_these_roles(act: str, roles: set[str]) -> None:
    assert {role for role in Role.values if role_may(role, act)} == roles


def test_an_unknown_act_is_a_mistake_not_a_no() -> None:
    with pytest.raises(KeyError):
        role_may(Role.OWNER, "keys.isue")


def test_a_member_may_what_the_role_may_and_only_at_home(organization: Organization, owner: User) -> None:
    elsewhere = create_organization(actor=ACTOR, slug="kontor", name="Kontor")
    viewer = User.objects.create_user("bob@reeder.example")
    add_member(actor=ACTOR, organization=organization, user=viewer, role=Role.VIEWER)
    assert can(owner, organization, "keys.issue")
    assert not can(owner, elsewhere, "keys.view")
    assert can(viewer, organization, "keys.view")
    assert not can(viewer, organization, "keys.issue")


def test_operators_and_locked_accounts_have_no_place(organization: Organization, owner: User, operator: User) -> None:
    assert not can(operator, organization, "keys.view")
    owner.is_active = False
    assert not can(owner, organization, "keys.view")


def test_in_a_suspended_organization_members_only_look(organization: Organization, owner: User) -> None:
    suspended = update_organization_status(actor=ACTOR, organization=organization, status="suspended")
    for act in OWNER:
        assert can(owner, suspended, act) is act.endswith(".view")
    assert acts_of(suspended.memberships.get(user=owner)) == {act for act in OWNER if act.endswith(".view")}


@pytest.mark.parametrize(
    ("role", "current", "new", "allowed"),
    [
        ("owner", "admin", "owner", True),
        ("owner", "owner", None, True),
        ("admin", "viewer", "admin", True),
        ("admin", None, "developer", True),
        ("admin", "viewer", "owner", False),
        ("admin", "owner", "viewer", False),
        ("admin", "owner", None, False),
        ("developer", None, "viewer", False),
    ],
)
def test_only_owners_make_and_unmake_owners(role: str, current: str | None, new: str | None, allowed: bool) -> None:
    assert may_assign(role, current, new) is allowed
