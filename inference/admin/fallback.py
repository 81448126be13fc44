"""Fallback models in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin.acting import actor_of
from inference.models import FallbackModel
from inference.services import remove_fallback_model, save_fallback_model


@admin.register(FallbackModel)
class FallbackModelAdmin(admin.ModelAdmin):
    """Which organizations have one. Without a row, requests for an unknown model are refused."""

    list_display = ("organization", "model", "created_at")
    list_select_related = ("organization", "model")
    search_fields = ["organization__slug", "organization__name", "model__model_id"]
    autocomplete_fields = ["organization", "model"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """An organization's row stays its own."""
        return () if obj is None else ("organization",)

    def save_model(self, request: HttpRequest, obj: FallbackModel, form: Any, change: bool) -> None:
        """Through the service."""
        save_fallback_model(actor=actor_of(request), fallback=obj)

    def delete_model(self, request: HttpRequest, obj: FallbackModel) -> None:
        """Through the service."""
        remove_fallback_model(actor=actor_of(request), fallback=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[FallbackModel]) -> None:
        """One by one, so that each has its audit event."""
        for fallback in queryset:
            remove_fallback_model(actor=actor_of(request), fallback=fallback)
