"""People: operators and members."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from accounts.audit import Actor, record_event
from accounts.models import User
from accounts.services.changes import apply_changes


@transaction.atomic
def create_user(*, actor: Actor, email: str, password: str | None = None, **fields: Any) -> User:
    """A person who signs in with `email`, once there is a password. Raises `ValidationError`."""
    user = User(email=email.strip().lower(), **fields)
    user.set_password(password)
    user.full_clean()
    user.save()
    record_event(
        actor=actor,
        organization=None,
        action="user.created",
        target=user,
        detail={"operator": user.is_staff, "can_sign_in": user.has_usable_password()},
    )
    return user


@transaction.atomic
def update_user(*, actor: Actor, user: User, **changes: Any) -> User:
    """Changes a person's address, name or flags. Raises `ValidationError`.

    Locking an account (`is_active=False`) is never refused, not even for an organization's last owner: an operator must
    be able to stop anybody at once.
    """
    locked = User.objects.select_for_update().get(pk=user.pk)
    if "email" in changes:
        changes["email"] = changes["email"].strip().lower()
    changed = apply_changes(locked, changes)
    if changed:
        locked.full_clean()
        locked.save(update_fields=list(changed))
        record_event(actor=actor, organization=None, action="user.changed", target=locked, detail=changed)
    return locked


@transaction.atomic
def set_password(*, actor: Actor, user: User, password: str | None) -> None:
    """Sets a password, or with None makes signing in by password impossible. The caller has validated its strength."""
    user.set_password(password)
    user.save(update_fields=["password"])
    _record_password(actor, user)


@contextmanager
def recorded_password(*, actor: Actor, user: User) -> Iterator[None]:
    """A transaction for a page of Django's own that may change the password of `user`: the trail says so if it does."""
    before = user.password
    with transaction.atomic():
        yield
        now = User.objects.get(pk=user.pk)
        if now.password != before:
            _record_password(actor, now)


def _record_password(actor: Actor, user: User) -> None:
    record_event(
        actor=actor,
        organization=None,
        action="user.password_changed",
        target=user,
        detail={"can_sign_in": user.has_usable_password()},
    )
