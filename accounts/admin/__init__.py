"""The operators' admin of this app: every write goes through the services, and so into the audit trail."""

from accounts.admin.api_key import ApiKeyAdmin
from accounts.admin.audit import AuditEventAdmin
from accounts.admin.membership import MembershipAdmin
from accounts.admin.organization import OrganizationAdmin
from accounts.admin.project import ProjectAdmin
from accounts.admin.user import UserAdmin

__all__ = ["ApiKeyAdmin", "AuditEventAdmin", "MembershipAdmin", "OrganizationAdmin", "ProjectAdmin", "UserAdmin"]
