"""Issuing, changing, rotating and revoking API keys."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts.announcements import KEY, announce
from accounts.audit import Actor, record_event
from accounts.keys import is_sealed, make_key, make_public_id
from accounts.models import ApiKey, ApiKeySecret, Project, User
from accounts.restrictions import clean_restrictions
from accounts.scopes import DEFAULT_SCOPES
from accounts.selectors import key_with_name
from accounts.services.changes import apply_changes, plain
from accounts.services.errors import KeyInactiveError, StaleRotationError


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key and its text, which exists here and nowhere else: show it once, to its owner, and let it go."""

    api_key: ApiKey
    text: str = field(repr=False)


@transaction.atomic
def issue_key(
    *,
    actor: Actor,
    project: Project,
    name: str,
    scopes: Iterable[str] = DEFAULT_SCOPES,
    allowed_models: Iterable[str] = (),
    allowed_classes: Iterable[str] = (),
    allowed_networks: Iterable[str] = (),
    expires_at: datetime | None = None,
) -> IssuedKey:
    """A new key of `project`. Raises `ValidationError` with the messages of each field.

    Of keys that are not revoked, a project has one of a name.
    """
    values = clean_restrictions(
        {
            "name": name,
            "scopes": scopes,
            "allowed_models": allowed_models,
            "allowed_classes": allowed_classes,
            "allowed_networks": allowed_networks,
            "expires_at": expires_at,
        }
    )
    if expires_at is not None and expires_at <= timezone.now():
        raise ValidationError({"expires_at": "This moment has passed."})
    _refuse_taken_name(project, values["name"])
    minted = make_key()
    api_key = ApiKey(
        public_id=minted.public_id, project=project, created_by=actor if isinstance(actor, User) else None, **values
    )
    api_key.full_clean()
    api_key.save()
    ApiKeySecret.objects.create(api_key=api_key, digest=minted.digest)
    record_event(
        actor=actor,
        organization=project.organization,
        action="api_key.issued",
        target=api_key,
        detail={"project": project.slug, **{name: plain(value) for name, value in values.items() if value}},
    )
    return IssuedKey(api_key=api_key, text=minted.text)


@transaction.atomic
def update_key(*, actor: Actor, api_key: ApiKey, **changes: Any) -> ApiKey:
    """Changes name, scopes, restrictions or expiry; holds from the next request on. Raises `ValidationError`."""
    locked = _lock(api_key)
    changes = clean_restrictions(changes)
    if "name" in changes:
        _refuse_taken_name(locked.project, changes["name"], besides=locked)
    changed = apply_changes(locked, changes)
    if changed:
        locked.full_clean()
        locked.save(update_fields=list(changed))
        _record(actor, locked, "api_key.changed", changed)
        _announce(locked)
    return locked


@transaction.atomic
def revoke_key(*, actor: Actor, api_key: ApiKey) -> ApiKey:
    """Ends a key for good, at once. Revoking it again changes nothing."""
    locked = _lock(api_key)
    if locked.revoked_at is None:
        locked.revoked_at = timezone.now()
        locked.save(update_fields=["revoked_at"])
        _record(actor, locked, "api_key.revoked", {})
    _announce(locked)
    return locked


@transaction.atomic
def rotate_key(
    *, actor: Actor, api_key: ApiKey, overlap: timedelta | None = None, expected_secret: int | None = None
) -> IssuedKey:
    """A new secret for a key; its id, name and usage stay. After a change of the pepper, which ended all secrets and
    the seals of public ids, it also gets a new public id.

    For `overlap` (default: `settings.KEY_ROTATION_OVERLAP_HOURS`) the old secret works as well; with zero it ends at
    once. `expected_secret` is the primary key of the newest secret that the person saw. Raises `KeyInactiveError`,
    `StaleRotationError` when there is a newer secret than that, `ValueError` for a negative overlap.
    """
    if overlap is None:
        overlap = timedelta(hours=settings.KEY_ROTATION_OVERLAP_HOURS)
    if overlap < timedelta(0):
        raise ValueError("An overlap cannot be negative.")
    locked = _lock(api_key)
    now = timezone.now()
    if locked.status(now) != "active":
        raise KeyInactiveError(locked.status(now))
    if (
        expected_secret is not None
        and locked.secrets.order_by("-pk").values_list("pk", flat=True)[0] != expected_secret
    ):
        raise StaleRotationError
    end = now + overlap
    # A secret of an earlier rotation keeps its own, earlier end. Those that ended are of no use to anybody.
    locked.secrets.filter(expires_at__isnull=True).update(expires_at=end)
    locked.secrets.filter(expires_at__gt=end).update(expires_at=end)
    locked.secrets.filter(expires_at__lte=now).delete()
    if not is_sealed(locked.public_id):
        locked.public_id = make_public_id()
        locked.save(update_fields=["public_id"])
    minted = make_key(locked.public_id)
    ApiKeySecret.objects.create(api_key=locked, digest=minted.digest)
    _record(actor, locked, "api_key.rotated", {"old_secret_works_until": plain(end)})
    _announce(locked)
    return IssuedKey(api_key=locked, text=minted.text)


def _lock(api_key: ApiKey) -> ApiKey:
    ApiKey.objects.select_for_update().get(pk=api_key.pk)
    found: ApiKey = ApiKey.objects.select_related("project__organization").get(pk=api_key.pk)
    return found


def _refuse_taken_name(project: Project, name: str, besides: ApiKey | None = None) -> None:
    # The constraint would say the same, as an IntegrityError without a sentence for the form.
    taken = key_with_name(project, name)
    if taken is not None and taken != besides:
        raise ValidationError(
            {"name": f"The project has a key “{name}” already. Choose another name, or revoke that one."}
        )


def _record(actor: Actor, api_key: ApiKey, action: str, detail: dict[str, Any]) -> None:
    record_event(actor=actor, organization=api_key.project.organization, action=action, target=api_key, detail=detail)


def _announce(api_key: ApiKey) -> None:
    announce(KEY, api_key.pk)
