"""The audit trail, to read."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from accounts.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(admin.ModelAdmin):
    """Who did what to whom."""

    list_display = ["at", "actor_label", "action", "target_type", "target_label", "organization"]
    list_filter = ["at", "action"]
    search_fields = ["actor_label", "action", "target_label", "target_id", "organization__slug", "organization__name"]
    search_help_text = "Who acted, what was done, to whom, or the organization"
    list_select_related = ["organization"]
    date_hierarchy = "at"
    show_full_result_count = False
    fields = ["at", "actor_label", "action", "target_type", "target_id", "target_label", "organization", "details"]
    readonly_fields = ["details"]

    @admin.display(description="detail")
    def details(self, event: AuditEvent) -> str:
        """The fields and their new values."""
        return json.dumps(event.detail, indent=2, ensure_ascii=False, sort_keys=True)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """No: the services write it."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No: nobody changes the past."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No: nobody deletes the past."""
        return False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """None."""
        return {}
