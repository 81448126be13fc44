"""Projects: also what the key form completes to."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from accounts.admin.acting import ServiceAdmin, actor_of, changes_in, take_over
from accounts.models import Project
from accounts.services import create_project, update_project


@admin.register(Project)
class ProjectAdmin(ServiceAdmin):
    """A part of an organization, with keys and a cost centre."""

    list_display = ["name", "slug", "organization", "cost_centre", "is_default", "created_at"]
    list_filter = ["is_default", "created_at"]
    search_fields = ["name", "slug", "cost_centre", "organization__name", "organization__slug"]
    list_select_related = ["organization"]
    autocomplete_fields = ["organization"]
    prepopulated_fields = {"slug": ["name"]}
    fields = ["organization", "name", "slug", "cost_centre", "is_default", "created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        """With the organization, which stands in a project's name wherever one is chosen."""
        return super().get_queryset(request).select_related("organization")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """A project never moves: its usage belongs to the organization that pays for it."""
        fixed = ["is_default", "created_at"]
        return fixed if obj is None else ["organization", *fixed]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Without what only a saved project has."""
        return list(self.fields or []) if obj is not None else ["organization", "name", "slug", "cost_centre"]

    def save_model(self, request: HttpRequest, obj: Project, form: Any, change: bool) -> None:
        """Through the services."""
        actor = actor_of(request)
        if change:
            take_over(obj, update_project(actor=actor, project=obj, **changes_in(form)))
        else:
            take_over(obj, create_project(actor=actor, **form.cleaned_data))
