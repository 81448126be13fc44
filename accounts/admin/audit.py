"""The audit trail, to read."""

import json

from django.contrib import admin

from accounts.admin.acting import ReadOnlyAdmin
from accounts.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """Who did what to whom."""

    list_display = ["at", "actor_label", "action", "target_type", "target_label", "organization"]
    list_filter = ["at", "action"]
    search_fields = ["actor_label", "action", "target_label", "target_id", "organization__slug", "organization__name"]
    search_help_text = "Who acted, what was done, to whom, or the organization"
    list_select_related = ["organization"]
    date_hierarchy = "at"
    fields = ["at", "actor_label", "action", "target_type", "target_id", "target_label", "organization", "details"]
    readonly_fields = ["details"]

    @admin.display(description="detail")
    def details(self, event: AuditEvent) -> str:
        """The fields and their new values."""
        return json.dumps(event.detail, indent=2, ensure_ascii=False, sort_keys=True)
