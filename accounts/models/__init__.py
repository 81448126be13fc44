"""Who: users, organizations, projects, members, API keys and the audit trail."""

from accounts.models.api_key import ApiKey, ApiKeySecret
from accounts.models.audit import AuditEvent
from accounts.models.organization import Membership, Organization, Project, Role
from accounts.models.user import User

__all__ = ["ApiKey", "ApiKeySecret", "AuditEvent", "Membership", "Organization", "Project", "Role", "User"]
