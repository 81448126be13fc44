"""Writing the audit trail."""

from typing import Any

from django.db.models import Model

from accounts.models import AuditEvent, Organization, User

# Who acts: a person, or a command by its name ("command: issue_key").
Actor = User | str


def record_event(
    *,
    actor: Actor,
    organization: Organization | None,
    action: str,
    target: Model,
    detail: dict[str, Any] | None = None,
) -> AuditEvent:
    """Adds an event to the trail, in the transaction of the act itself.

    `action` is `<what>.<past participle>`, for example `api_key.issued`. `detail` names fields and their new values,
    as JSON; never a secret.
    """
    return AuditEvent.objects.create(
        actor=actor if isinstance(actor, User) else None,
        actor_label=actor.email if isinstance(actor, User) else actor[:254],
        organization=organization,
        action=action,
        target_type=target._meta.model_name or "",
        target_id=str(target.pk),
        target_label=str(target)[:254],
        detail=detail or {},
    )
