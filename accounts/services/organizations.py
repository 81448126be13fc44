"""Organizations and their projects."""

from typing import Any

from django.db import transaction

from accounts.announcements import ORGANIZATION, announce
from accounts.audit import Actor, record_event
from accounts.models import Organization, Project, Role, User
from accounts.services.changes import apply_changes
from accounts.services.members import add_member


@transaction.atomic
def create_organization(
    *, actor: Actor, slug: str, name: str, owner: User | None = None, **details: Any
) -> Organization:
    """A customer with its default project, and `owner` as its first member.

    `details` are further fields of `Organization`: `legal_name`, the address, `vat_id`, `billing_email`, `status`.
    Raises `ValidationError` with the messages of each field.
    """
    organization = Organization(slug=slug, name=name, **details)
    organization.full_clean()
    organization.save()
    filled = {field: value for field, value in {"slug": slug, "name": name, **details}.items() if value}
    record_event(
        actor=actor, organization=organization, action="organization.created", target=organization, detail=filled
    )
    create_project(actor=actor, organization=organization, slug="default", name="Default", is_default=True)
    if owner is not None:
        add_member(actor=actor, organization=organization, user=owner, role=Role.OWNER)
    return organization


@transaction.atomic
def update_organization(*, actor: Actor, organization: Organization, **changes: Any) -> Organization:
    """Changes names, address and other details; `status` has its own service. Raises `ValidationError`.

    Keys need the slug in their snapshots, so they are read anew when it changes.
    """
    locked = Organization.objects.select_for_update().get(pk=organization.pk)
    changed = apply_changes(locked, changes)
    if changed:
        locked.full_clean()
        locked.save(update_fields=list(changed))
        record_event(actor=actor, organization=locked, action="organization.changed", target=locked, detail=changed)
    if "slug" in changed:
        announce(ORGANIZATION, locked.pk)
    return locked


@transaction.atomic
def update_organization_status(*, actor: Actor, organization: Organization, status: str) -> Organization:
    """Activates, suspends or closes an organization; its keys follow at once."""
    locked = Organization.objects.select_for_update().get(pk=organization.pk)
    if locked.status != status:
        before, locked.status = locked.status, Organization.Status(status)
        locked.save(update_fields=["status"])
        record_event(
            actor=actor,
            organization=locked,
            action="organization.status_changed",
            target=locked,
            detail={"from": before, "to": status},
        )
    # Also when the row was right already: whoever suspends a second time wants the keys gone, whatever happened before.
    announce(ORGANIZATION, locked.pk)
    return locked


@transaction.atomic
def create_project(
    *, actor: Actor, organization: Organization, slug: str, name: str, cost_centre: str = "", is_default: bool = False
) -> Project:
    """A project of `organization`. Raises `ValidationError`, for example for a slug that is taken."""
    project = Project(organization=organization, slug=slug, name=name, cost_centre=cost_centre, is_default=is_default)
    project.full_clean()
    project.save()
    record_event(
        actor=actor,
        organization=organization,
        action="project.created",
        target=project,
        detail={"slug": slug, "name": name, "cost_centre": cost_centre},
    )
    return project


@transaction.atomic
def update_project(*, actor: Actor, project: Project, **changes: Any) -> Project:
    """Changes `slug`, `name` or `cost_centre`. Raises `ValidationError`."""
    locked = Project.objects.select_for_update().get(pk=project.pk)
    changed = apply_changes(locked, changes)
    if changed:
        locked.full_clean()
        locked.save(update_fields=list(changed))
        record_event(
            actor=actor, organization=locked.organization, action="project.changed", target=locked, detail=changed
        )
    return locked
