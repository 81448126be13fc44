"""Memberships, with the rule that an organization keeps an owner."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms.formsets import DELETION_FIELD_NAME
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse

from accounts.admin.acting import ServiceAdmin, actor_of, take_over
from accounts.models import Membership, Role
from accounts.selectors import leaves_without_owner
from accounts.services import LastOwnerError, add_member, change_member_role, remove_member


class MembershipForm(forms.ModelForm):
    """One membership on its own page."""

    class Meta:
        model = Membership
        fields = ["user", "organization", "role"]

    def clean_role(self) -> str:
        """The role. Raises `ValidationError` where the last owner would get another one."""
        role: str = self.cleaned_data["role"]
        if self.instance.pk is not None and role != Role.OWNER and leaves_without_owner([self.instance]):
            raise ValidationError(str(LastOwnerError()))
        return role


class MembershipFormSet(BaseInlineFormSet):
    """All members of an organization on its page: what counts is who is an owner afterwards."""

    def clean(self) -> None:
        """Raises `ValidationError`, and puts it beside each role concerned, where no owner would be left."""
        super().clean()
        if any(self.errors):
            return
        stepping_down = [form for form in self.initial_forms if self._steps_down(form)]
        if any(self._becomes_owner(form) for form in self.initial_forms):
            return
        if not leaves_without_owner([form.instance for form in stepping_down]):
            return
        for form in stepping_down:
            form.add_error("role", str(LastOwnerError()))
        raise ValidationError(str(LastOwnerError()))

    def _steps_down(self, form: Any) -> bool:
        # The instance carries the new role already; the initial value is the one in the database.
        if form.initial.get("role") != Role.OWNER:
            return False
        return bool(form.cleaned_data.get(DELETION_FIELD_NAME)) or form.cleaned_data.get("role") != Role.OWNER

    def _becomes_owner(self, form: Any) -> bool:
        if form.initial.get("role") == Role.OWNER or form.cleaned_data.get(DELETION_FIELD_NAME):
            return False
        return form.cleaned_data.get("role") == Role.OWNER and form.instance.user.is_active


@admin.register(Membership)
class MembershipAdmin(ServiceAdmin):
    """A user's place in an organization."""

    form = MembershipForm
    list_display = ["user", "organization", "role", "created_at"]
    list_filter = ["role", "created_at"]
    search_fields = ["user__email", "user__full_name", "organization__name", "organization__slug"]
    list_select_related = ["user", "organization"]
    autocomplete_fields = ["user", "organization"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """A membership changes its role, never its ends."""
        return [] if obj is None else ["user", "organization", "created_at"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """As Django's permissions say: people leave."""
        return super(ServiceAdmin, self).has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        """Through the services."""
        actor = actor_of(request)
        if change:
            take_over(obj, change_member_role(actor=actor, membership=obj, role=form.cleaned_data["role"]))
        else:
            take_over(obj, add_member(actor=actor, **form.cleaned_data))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What the confirmation lists; memberships that must stay are listed as protected, and cannot be confirmed."""
        to_delete, counts, perms_needed, protected = super().get_deleted_objects(objs, request)
        return to_delete, counts, perms_needed, [*protected, *(str(owner) for owner in last_owners(objs))]

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Django's confirmation, with a refused act as a message."""
        try:
            return super().delete_view(request, *args, **kwargs)
        except LastOwnerError as refused:
            return self.refuse(request, refused)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The list and its bulk delete, with a refused act as a message."""
        try:
            return super().changelist_view(request, *args, **kwargs)
        except LastOwnerError as refused:
            return self.refuse(request, refused)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        """Through the service."""
        remove_member(actor=actor_of(request), membership=obj)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        """Through the service, one by one. Owners last, so that the guard meets the same state as the confirmation."""
        for membership in sorted(queryset, key=lambda row: row.role == Role.OWNER):
            remove_member(actor=actor_of(request), membership=membership)


def last_owners(leaving: Iterable[Membership]) -> list[Membership]:
    """Those of `leaving` who are owners of an organization that would be left without one."""
    by_organization: dict[int, list[Membership]] = {}
    for membership in leaving:
        by_organization.setdefault(membership.organization_id, []).append(membership)
    return [
        membership
        for group in by_organization.values()
        if leaves_without_owner(group)
        for membership in group
        if membership.role == Role.OWNER
    ]
