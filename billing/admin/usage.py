"""Usage, to read: single records and hourly sums. Both tables may be very large, so nothing here reads one whole."""

import re
import uuid
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from accounts.admin.acting import ReadOnlyAdmin
from billing.admin.filters import DayFilter, KeyFilter, ModelFilter, OrganizationFilter, RatedFilter
from billing.models import UsageHour, UsageRecord
from billing.money import format_euro

REQUEST_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\Z")


class BoundedPaginator(Paginator):
    """Counts and pages no further than `LIMIT` rows: who looks for older ones filters by day."""

    LIMIT = 5000

    @cached_property
    def count(self) -> int:
        """The number of rows, at most `LIMIT`."""
        rows: Any = self.object_list
        return rows.order_by()[: self.LIMIT].count()


class UsageAdmin(ReadOnlyAdmin):
    """What both tables share."""

    paginator = BoundedPaginator
    list_max_show_all = 0
    list_select_related = ["organization", "project", "api_key"]
    # Another order than the index' would sort the whole table.
    sortable_by = ()

    @admin.display(description="project")
    def project_name(self, row: Any) -> str:
        """Without the organization, which has a column of its own."""
        return row.project.name

    @admin.display(description="key")
    def key(self, row: Any) -> str:
        """The public id, which is what logs and customers name."""
        return row.api_key.public_id

    @admin.display(description="cost (EUR)")
    def cost(self, row: Any) -> str:
        """Exactly."""
        return "unrated" if row.cost_nano is None else format_euro(row.cost_nano)


@admin.register(UsageRecord)
class UsageRecordAdmin(UsageAdmin):
    """Single requests, latest first."""

    list_display = [
        "id",
        "started_at",
        "organization",
        "project_name",
        "key",
        "model_id",
        "endpoint",
        "input_tokens",
        "cached_input_tokens",
        "output_tokens",
        "reasoning_tokens",
        "images",
        "documents",
        "cost",
        "token_source",
        "outcome",
        "total_ms",
    ]
    list_filter = [DayFilter, OrganizationFilter, KeyFilter, ModelFilter, "outcome", RatedFilter]
    search_fields = ["id"]
    search_help_text = "Request id, as in the x-request-id header"
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[UsageRecord]:
        """With what a single record's page shows, too."""
        return super().get_queryset(request).select_related("organization", "project__organization", "api_key")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[UsageRecord], search_term: str
    ) -> tuple[QuerySet[UsageRecord], bool]:
        """The record of a request id, also as the end of a response's id; nothing for other text."""
        term = search_term.strip().lower()
        if not term:
            return queryset, False
        found = REQUEST_ID.search(term)
        return (queryset.filter(id=uuid.UUID(found[0])) if found else queryset.none()), False


@admin.register(UsageHour)
class UsageHourAdmin(UsageAdmin):
    """Sums by the hour, latest first; what customers see and invoices add up."""

    list_display = [
        "hour",
        "organization",
        "project_name",
        "key",
        "model_id",
        "endpoint",
        "requests",
        "failed_requests",
        "unrated_requests",
        "input_tokens",
        "cached_input_tokens",
        "output_tokens",
        "reasoning_tokens",
        "images",
        "documents",
        "cost",
    ]
    list_filter = [DayFilter, OrganizationFilter, KeyFilter, ModelFilter]
    ordering = ["-hour", "-id"]
