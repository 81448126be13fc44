"""Organizations with their projects and members on one page."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from accounts.admin.acting import ServiceAdmin, actor_of, changes_in, take_over
from accounts.admin.membership import MembershipFormSet
from accounts.models import Membership, Organization, Project, Role
from accounts.services import (
    add_member,
    change_member_role,
    create_organization,
    create_project,
    remove_member,
    update_organization,
    update_organization_status,
    update_project,
)


class ProjectInline(admin.TabularInline):
    """The organization's projects; the default one comes with it."""

    model = Project
    fields = ["name", "slug", "cost_centre", "is_default"]
    readonly_fields = ["is_default"]
    extra = 0
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        """With the organization that a row's title names."""
        return super().get_queryset(request).select_related("organization")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No: keys and usage point at projects."""
        return False


class MemberInline(admin.TabularInline):
    """Those who are members: their roles, and their leaving."""

    model = Membership
    formset = MembershipFormSet
    verbose_name_plural = "members"
    fields = ["user", "role", "created_at"]
    readonly_fields = ["user", "created_at"]
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No: `NewMemberInline` adds, so that this one needs no list of users per row."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """With the users and the organization that a row's title names."""
        return super().get_queryset(request).select_related("user", "organization")


class NewMemberInline(admin.TabularInline):
    """Members to add."""

    model = Membership
    verbose_name = "new member"
    verbose_name_plural = "new members"
    fields = ["user", "role"]
    autocomplete_fields = ["user"]
    extra = 0

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No: `MemberInline` does that."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """Nobody."""
        return super().get_queryset(request).none()


@admin.register(Organization)
class OrganizationAdmin(ServiceAdmin):
    """Customers."""

    list_display = ["name", "slug", "status", "legal_name", "country", "vat_id", "created_at"]
    list_filter = ["status", "country", "created_at"]
    search_fields = ["name", "slug", "legal_name", "vat_id", "billing_email"]
    search_help_text = "Name, slug, legal name, VAT id or billing address"
    prepopulated_fields = {"slug": ["name"]}
    readonly_fields = ["created_at"]
    fieldsets = [
        (None, {"fields": ["name", "slug", "status"]}),
        (
            "Invoices",
            {
                "fields": [
                    "legal_name",
                    "address_line1",
                    "address_line2",
                    ("postal_code", "city"),
                    "country",
                    "vat_id",
                    "billing_email",
                ]
            },
        ),
    ]

    def get_inlines(self, request: HttpRequest, obj: Model | None) -> list[Any]:
        """A new organization gets its default project by itself; further ones come later."""
        return [NewMemberInline] if obj is None else [ProjectInline, MemberInline, NewMemberInline]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Model | None = None) -> dict[str, Any]:
        """Only for a new one: the slug stands in other people's scripts."""
        return {} if obj is not None else {"slug": ["name"]}

    def save_model(self, request: HttpRequest, obj: Organization, form: Any, change: bool) -> None:
        """Through the services; keys follow a new status at once."""
        actor = actor_of(request)
        if not change:
            take_over(obj, create_organization(actor=actor, **form.cleaned_data))
            return
        changes = changes_in(form)
        status = changes.pop("status", None)
        update_organization(actor=actor, organization=obj, **changes)
        if status is not None:
            update_organization_status(actor=actor, organization=obj, status=status)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Through the services, too."""
        formset.save(commit=False)
        save = {Project: save_projects, Membership: save_members}[formset.model]
        save(request, form.instance, formset)


def save_projects(request: HttpRequest, organization: Organization, formset: Any) -> None:
    """The rows of `ProjectInline`."""
    actor = actor_of(request)
    for project in formset.new_objects:
        fields = {name: getattr(project, name) for name in ("name", "slug", "cost_centre")}
        take_over(project, create_project(actor=actor, organization=organization, **fields))
    for project, changed in formset.changed_objects:
        update_project(actor=actor, project=project, **{name: getattr(project, name) for name in changed})


def save_members(request: HttpRequest, organization: Organization, formset: Any) -> None:
    """The rows of both inlines of members. Owners come before others go: in between there is one, too."""
    actor = actor_of(request)
    for member in formset.new_objects:
        take_over(member, add_member(actor=actor, organization=organization, user=member.user, role=member.role))
    for member, _ in sorted(formset.changed_objects, key=lambda changed: changed[0].role != Role.OWNER):
        change_member_role(actor=actor, membership=member, role=member.role)
    for member in formset.deleted_objects:
        remove_member(actor=actor, membership=member)
