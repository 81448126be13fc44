"""Every write to users, organizations, members and keys. Each is one transaction with its entry in the audit trail."""

from accounts.services.api_keys import IssuedKey, issue_key, revoke_key, rotate_key, update_key
from accounts.services.errors import KeyInactiveError, LastOwnerError, StaleRotationError
from accounts.services.members import add_member, change_member_role, remove_member
from accounts.services.organizations import (
    create_organization,
    create_project,
    update_organization,
    update_organization_status,
    update_project,
)
from accounts.services.users import create_user, recorded_password, set_password, update_user

__all__ = [
    "IssuedKey",
    "KeyInactiveError",
    "LastOwnerError",
    "StaleRotationError",
    "add_member",
    "change_member_role",
    "create_organization",
    "create_project",
    "create_user",
    "issue_key",
    "recorded_password",
    "remove_member",
    "revoke_key",
    "rotate_key",
    "set_password",
    "update_key",
    "update_organization",
    "update_organization_status",
    "update_project",
    "update_user",
]
