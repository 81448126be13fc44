"""What each role may do in its organization."""

from django.db.models import QuerySet

from accounts.models import Membership, Organization, Role, User

VIEWER = frozenset({"organization.view", "members.view", "projects.view", "keys.view", "usage.view"})
DEVELOPER = VIEWER | {"keys.issue", "keys.change", "keys.rotate", "keys.revoke"}
BILLING = VIEWER | {"billing.view", "billing.manage"}
ADMIN = DEVELOPER | BILLING | {"organization.change", "projects.manage", "members.manage", "audit.view"}
OWNER = ADMIN | {"owners.manage"}  # naming and removing owners

ACTS: dict[str, frozenset[str]] = {
    Role.OWNER: OWNER,
    Role.ADMIN: ADMIN,
    Role.BILLING: BILLING,
    Role.DEVELOPER: DEVELOPER,
    Role.VIEWER: VIEWER,
}


def acts_of(membership: Membership) -> frozenset[str]:
    """What the member may do now: in an organization that is suspended or closed, members only look."""
    acts = ACTS[membership.role]
    if membership.organization.is_active:
        return acts
    return frozenset(act for act in acts if act.endswith(".view"))


def role_may(role: str, act: str) -> bool:
    """Whether `act` stands in the table for `role`. Raises `KeyError` for an act that no role has: a typing mistake."""
    if act not in OWNER:
        raise KeyError(act)
    return act in ACTS[role]


def can(user: User, organization: Organization, act: str) -> bool:
    """Whether `user` may do `act` in `organization`: one query.

    Operators have no place in an organization by being operators; they use the admin. Raises `KeyError` for an act
    that no role has: a typing mistake.
    """
    if act not in OWNER:
        raise KeyError(act)
    if not user.is_active:
        return False
    memberships: QuerySet[Membership] = Membership.objects.for_organization(organization).filter(user=user)
    membership = memberships.select_related("organization").first()
    return membership is not None and act in acts_of(membership)


def may_assign(role: str, current: str | None, new: str | None) -> bool:
    """Whether a member with `role` may turn a membership from `current` into `new` (None: no membership)."""
    if Role.OWNER in (current, new):
        return role_may(role, "owners.manage")
    return role_may(role, "members.manage")
