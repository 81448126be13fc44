"""What the admin pages of this app share: who acts, and what happens when a service refuses."""

from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from accounts.models import User
from accounts.services.errors import ActRefused


def actor_of(request: HttpRequest) -> User:
    """The operator who is signed in; the admin lets nobody else in."""
    return cast(User, request.user)


def changes_in(form: Any) -> dict[str, Any]:
    """The fields that the operator changed, with their new values."""
    return {name: form.cleaned_data[name] for name in form.changed_data if name in form.cleaned_data}


def take_over(row: Model, saved: Model) -> None:
    """Makes `row`, which the admin built from the form, the row that a service has saved."""
    row.__dict__.update({name: value for name, value in saved.__dict__.items() if name != "_state"})
    row._state.adding, row._state.db = False, saved._state.db


class ReadOnlyAdmin(admin.ModelAdmin):
    """A model whose rows say what happened: nobody adds, changes or deletes one by hand."""

    show_full_result_count = False
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """No: what happens makes rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No: it is what happened."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No: others rely on it."""
        return False


class ServiceAdmin(admin.ModelAdmin):
    """A model whose rows are written by services and never deleted.

    Forms find out beforehand what a service would refuse and say so beside the field. Where they could not know (a
    colleague was faster), the refusal is a message and nothing is changed.
    """

    show_full_result_count = False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No: usage, invoices and the trail point at these rows."""
        return False

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Django's form, with a refused act as a message."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except (ActRefused, ValidationError) as refused:
            return self.refuse(request, refused)

    def refuse(self, request: HttpRequest, refused: ActRefused | ValidationError) -> HttpResponse:
        """Back to the page, with the reason."""
        reasons = refused.messages if isinstance(refused, ValidationError) else [str(refused)]
        for reason in reasons:
            self.message_user(request, reason, messages.ERROR)
        return HttpResponseRedirect(request.path)
