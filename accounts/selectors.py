"""Reads for pages, commands and the admin."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import ApiKey, Membership, Organization, Project, Role, User


def memberships_of(user: User) -> QuerySet[Membership]:
    """The places of `user`, with their organizations, by the organizations' names."""
    found: QuerySet[Membership] = (
        Membership.objects.filter(user=user).select_related("organization").order_by("organization__name")
    )
    return found


def leaves_without_owner(leaving: Sequence[Membership]) -> bool:
    """Whether one organization would have no owner who can sign in, were these of its owners not owners any more.

    An owner whose account is locked cannot act for the organization, so only active ones count. Roles are read from the
    database: a form has changed those of its instances already.
    """
    keys = [membership.pk for membership in leaving]
    if not Membership.objects.filter(pk__in=keys, role=Role.OWNER).exists():
        return False
    staying = Membership.objects.for_organization(leaving[0].organization_id).exclude(pk__in=keys)
    return not staying.filter(role=Role.OWNER, user__is_active=True).exists()


def projects_of(organization: Organization) -> QuerySet[Project]:
    """The projects of `organization`, the default one first."""
    found: QuerySet[Project] = Project.objects.for_organization(organization).order_by("-is_default", "name")
    return found


def default_project_of(organization: Organization) -> Project:
    """The project that a key belongs to unless another is named. Raises `Project.DoesNotExist`."""
    found: Project = Project.objects.for_organization(organization).get(is_default=True)
    return found


def keys_of(organization: Organization) -> QuerySet[ApiKey]:
    """The keys of `organization` with their projects and authors, the newest first."""
    found: QuerySet[ApiKey] = (
        ApiKey.objects.for_organization(organization).select_related("project", "created_by").order_by("-created_at")
    )
    return found


def key_with_name(project: Project, name: str) -> ApiKey | None:
    """The key of `project` that has this name and is not revoked, or None."""
    found: ApiKey | None = ApiKey.objects.filter(project=project, name=name, revoked_at__isnull=True).first()
    return found


def keys_in_state(keys: QuerySet[ApiKey], state: str, now: datetime | None = None) -> QuerySet[ApiKey]:
    """Those of `keys` whose `key_state` is `state`, decided by the database."""
    now = now or timezone.now()
    revoked = Q(revoked_at__isnull=False)
    expired = Q(expires_at__lte=now)
    closed_to = ~Q(project__organization__status=Organization.Status.ACTIVE)
    conditions: dict[str, Any] = {
        "revoked": revoked,
        "expired": ~revoked & expired,
        "suspended": ~revoked & ~expired & closed_to,
        "active": ~revoked & ~expired & ~closed_to,
    }
    return keys.filter(conditions[state])


def key_state(api_key: ApiKey, now: datetime | None = None) -> str:
    """`active`, `revoked`, `expired`, or `suspended` with its organization, which the key has fetched."""
    status = api_key.status(now)
    if status == "active" and not api_key.project.organization.is_active:
        return "suspended"
    return status
