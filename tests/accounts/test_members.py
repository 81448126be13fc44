"""Members, and the owner that every organization keeps."""

import threading
from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError
from django.db import OperationalError, connection

from accounts.models import AuditEvent, Membership, Organization, Role, User
from accounts.services import LastOwnerError, add_member, change_member_role, remove_member, update_user
from tests.accounts.conftest import ACTOR


def place_of(user: User) -> Membership:
    """The one membership of `user`."""
    membership: Membership = Membership.objects.get(user=user)
    return membership


def second_owner(organization: Organization) -> User:
    """Another owner."""
    user = User.objects.create_user("bob@reeder.example")
    add_member(actor=ACTOR, organization=organization, user=user, role=Role.OWNER)
    return user


@pytest.mark.parametrize("role", ["admin", "billing", "developer", "viewer"])
def test_the_last_owner_keeps_the_role(owner: User, role: str) -> None:
    with pytest.raises(LastOwnerError):
        change_member_role(actor=ACTOR, membership=place_of(owner), role=role)
    assert place_of(owner).role == Role.OWNER


def test_the_last_owner_does_not_leave(owner: User) -> None:
    with pytest.raises(LastOwnerError):
        remove_member(actor=ACTOR, membership=place_of(owner))
    assert place_of(owner).role == Role.OWNER


def test_one_of_two_owners_may_go_and_then_the_other_stays(organization: Organization, owner: User) -> None:
    other = second_owner(organization)
    change_member_role(actor=ACTOR, membership=place_of(owner), role=Role.VIEWER)
    with pytest.raises(LastOwnerError):
        remove_member(actor=ACTOR, membership=place_of(other))


def test_a_locked_owner_does_not_count(organization: Organization, owner: User) -> None:
    other = second_owner(organization)
    update_user(actor=ACTOR, user=other, is_active=False)
    with pytest.raises(LastOwnerError):
        remove_member(actor=ACTOR, membership=place_of(owner))
    remove_member(actor=ACTOR, membership=place_of(other))


def test_owners_of_other_organizations_do_not_count(organization: Organization, owner: User) -> None:
    elsewhere = Organization.objects.create(slug="kontor", name="Kontor")
    second_owner(elsewhere)
    with pytest.raises(LastOwnerError):
        remove_member(actor=ACTOR, membership=place_of(owner))


def test_others_come_change_and_go(organization: Organization, owner: User) -> None:
    bob = User.objects.create_user("bob@reeder.example")
    member = add_member(actor=owner, organization=organization, user=bob, role=Role.VIEWER)
    change_member_role(actor=owner, membership=member, role=Role.DEVELOPER)
    change_member_role(actor=owner, membership=member, role=Role.DEVELOPER)
    remove_member(actor=owner, membership=member)
    events = AuditEvent.objects.for_organization(organization).filter(target_type="membership", actor=owner)
    assert list(events.order_by("pk").values_list("action", "detail")) == [
        ("member.added", {"role": "viewer"}),
        ("member.role_changed", {"from": "viewer", "to": "developer"}),
        ("member.removed", {"role": "developer"}),
    ]


def test_nobody_is_a_member_twice(organization: Organization, owner: User) -> None:
    with pytest.raises(ValidationError):
        add_member(actor=ACTOR, organization=organization, user=owner, role=Role.VIEWER)


def test_an_unknown_role_is_refused(organization: Organization, owner: User) -> None:
    bob = User.objects.create_user("bob@reeder.example")
    with pytest.raises(ValidationError):
        add_member(actor=ACTOR, organization=organization, user=bob, role="king")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("go", ["leave", "step down"])
def test_two_owners_who_go_at_the_same_moment_leave_one(organization: Organization, owner: User, go: str) -> None:
    places = [place_of(owner), place_of(second_owner(organization))]
    acts: dict[str, Callable[[Membership], object]] = {
        "leave": lambda place: remove_member(actor=ACTOR, membership=place),
        "step down": lambda place: change_member_role(actor=ACTOR, membership=place, role=Role.VIEWER),
    }
    together, refused = threading.Barrier(2), []

    def act(place: Membership) -> None:
        together.wait()
        try:
            while True:
                try:
                    acts[go](place)
                    return
                except OperationalError as error:
                    # SQLite in memory does not wait for its lock as one in a file does.
                    if "locked" not in str(error):
                        raise
        except LastOwnerError:
            refused.append(place)
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=[place]) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert [place.pk for place in Membership.objects.filter(role=Role.OWNER)] == [refused[0].pk]
