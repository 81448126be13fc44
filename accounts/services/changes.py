"""Setting fields of a row and telling the audit trail which ones changed."""

from datetime import date
from typing import Any

from django.db.models import Model


def apply_changes(row: Model, changes: dict[str, Any]) -> dict[str, Any]:
    """Sets on `row` what differs from `changes`, and returns it in a form that JSON can hold. Does not save."""
    changed = {}
    for field, value in changes.items():
        if getattr(row, field) != value:
            setattr(row, field, value)
            changed[field] = plain(value)
    return changed


def plain(value: Any) -> Any:
    """`value` as the audit trail keeps it."""
    return value.isoformat() if isinstance(value, date) else value
