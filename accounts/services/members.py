"""Members of an organization. There is always an owner who can sign in."""

from django.db import transaction

from accounts.audit import Actor, record_event
from accounts.models import Membership, Organization, Role, User
from accounts.selectors import leaves_without_owner
from accounts.services.errors import LastOwnerError


@transaction.atomic
def add_member(*, actor: Actor, organization: Organization, user: User, role: str) -> Membership:
    """Makes `user` a member. Raises `ValidationError` for an unknown role, or where the user is one already."""
    membership = Membership(organization=organization, user=user, role=role)
    membership.full_clean()
    membership.save()
    record_event(
        actor=actor, organization=organization, action="member.added", target=membership, detail={"role": role}
    )
    return membership


@transaction.atomic
def change_member_role(*, actor: Actor, membership: Membership, role: str) -> Membership:
    """Gives a member another role. Raises `LastOwnerError`, or `ValidationError` for an unknown role."""
    locked = _lock(membership)
    if locked.role == role:
        return locked
    if role != Role.OWNER and leaves_without_owner([locked]):
        raise LastOwnerError
    before, locked.role = locked.role, role
    locked.full_clean()
    locked.save(update_fields=["role"])
    record_event(
        actor=actor,
        organization=locked.organization,
        action="member.role_changed",
        target=locked,
        detail={"from": before, "to": role},
    )
    return locked


@transaction.atomic
def remove_member(*, actor: Actor, membership: Membership) -> None:
    """Ends a membership. Raises `LastOwnerError`. Keys that the person issued belong to the organization and stay."""
    locked = _lock(membership)
    if leaves_without_owner([locked]):
        raise LastOwnerError
    record_event(
        actor=actor,
        organization=locked.organization,
        action="member.removed",
        target=locked,
        detail={"role": locked.role},
    )
    locked.delete()


def _lock(membership: Membership) -> Membership:
    # The organization's row is the lock: two owners who leave at the same moment each lock a different membership, and
    # each would still see the other. SQLite has no row locks; there the transaction (IMMEDIATE) is alone anyway.
    Organization.objects.select_for_update().get(pk=membership.organization_id)
    found: Membership = Membership.objects.select_related("organization", "user").get(pk=membership.pk)
    return found
