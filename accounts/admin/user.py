"""People, by their e-mail address."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse

from accounts.admin.acting import ServiceAdmin, actor_of, changes_in, take_over
from accounts.audit import record_event
from accounts.models import User
from accounts.services import create_user, recorded_password, update_user

POWERS = ("groups", "user_permissions")


class AddressForm(forms.ModelForm):
    """Addresses in small letters, so that one person is one user."""

    def clean_email(self) -> str:
        """The address. Raises `ValidationError` here, once, instead of one for each constraint it would break."""
        address: str = self.cleaned_data["email"].strip().lower()
        if User.objects.filter(email=address).exclude(pk=self.instance.pk).exists():
            raise ValidationError("There is a user with this address already.")
        return address


class AddUserForm(AddressForm, AdminUserCreationForm):
    """A new user, with or without a password."""

    class Meta:
        model = User
        fields = ["email", "full_name", "is_staff"]


class ChangeUserForm(AddressForm, UserChangeForm):
    """A user's details; the password has a page of its own."""

    class Meta:
        model = User
        fields = ["email", "full_name", "is_active", "is_staff", "is_superuser", "groups", "user_permissions"]


@admin.register(User)
class UserAdmin(ServiceAdmin, DjangoUserAdmin):
    """Operators and members. Nobody is deleted: an account is locked, and the trail stays."""

    add_form = AddUserForm
    form = ChangeUserForm
    ordering = ["email"]
    list_display = ["email", "full_name", "is_active", "is_staff", "is_superuser", "last_login", "date_joined"]
    list_filter = ["is_staff", "is_superuser", "is_active", "last_login"]
    search_fields = ["email", "full_name"]
    search_help_text = "Address or name"
    filter_horizontal = ["groups", "user_permissions"]
    readonly_fields = ["last_login", "date_joined"]
    fieldsets = [
        (None, {"fields": ["email", "full_name", "password", "is_active"]}),
        ("Operator", {"fields": ["is_staff", "is_superuser", "groups", "user_permissions"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["email", "full_name", "usable_password", "password1", "password2", "is_staff"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Only a superuser hands out power."""
        fixed = list(self.readonly_fields)
        return fixed if actor_of(request).is_superuser else [*fixed, "is_staff", "is_superuser", *POWERS]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """As Django's permissions say, but an operator must be a superuser to change another one or its password."""
        if isinstance(obj, User) and obj.is_superuser and not actor_of(request).is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Through the services."""
        actor = actor_of(request)
        if change:
            changes = {name: value for name, value in changes_in(form).items() if name not in POWERS}
            take_over(obj, update_user(actor=actor, user=obj, **changes))
            return
        fields = {name: form.cleaned_data[name] for name in AddUserForm.Meta.fields if name in form.cleaned_data}
        password = form.cleaned_data["password1"] if form.cleaned_data["set_usable_password"] else None
        take_over(obj, create_user(actor=actor, password=password, **fields))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Groups and permissions, with an entry in the trail."""
        super().save_related(request, form, formsets, change)
        changed = [name for name in POWERS if name in form.changed_data]
        if changed:
            detail = {name: [str(one) for one in form.cleaned_data[name]] for name in changed}
            record_event(
                actor=actor_of(request),
                organization=None,
                action="user.permissions_changed",
                target=form.instance,
                detail=detail,
            )

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        """Django's page for somebody's password, with an entry in the trail when it was changed."""
        user = self.get_object(request, unquote(id))
        if user is None:
            return super().user_change_password(request, id, form_url)
        with recorded_password(actor=actor_of(request), user=user):
            return super().user_change_password(request, id, form_url)
