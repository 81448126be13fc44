"""API keys: issued and rotated here, shown once, revoked, never deleted."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.cache import add_never_cache_headers
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_variables

from accounts.admin.acting import ServiceAdmin, actor_of, changes_in, take_over
from accounts.admin.api_key_forms import ApiKeyForm, RotateForm
from accounts.keys import fingerprint
from accounts.models import ApiKey
from accounts.selectors import key_state, keys_in_state
from accounts.services import IssuedKey, issue_key, revoke_key, rotate_key, update_key
from accounts.services.errors import ActRefused

STATES = ("active", "suspended", "expired", "revoked")


class StateFilter(admin.SimpleListFilter):
    """By what a key is worth at this moment."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The states."""
        return [(state, state) for state in STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        """The keys in the chosen state."""
        return keys_in_state(queryset, self.value() or "") if self.value() in STATES else queryset


@admin.register(ApiKey)
class ApiKeyAdmin(ServiceAdmin):
    """What programs show to be let in."""

    form = ApiKeyForm
    change_form_template = "admin/accounts/apikey/change_form.html"
    list_display = [
        "name",
        "shown_key",
        "state",
        "organization",
        "project_name",
        "last_used_at",
        "expires_at",
    ]
    list_filter = [StateFilter, "created_at", "last_used_at"]
    search_fields = [
        "name",
        "public_id",
        "project__name",
        "project__slug",
        "project__organization__name",
        "project__organization__slug",
    ]
    search_help_text = "Name or beginning of the key, project or organization"
    list_select_related = ["project__organization"]
    autocomplete_fields = ["project"]
    actions = ["revoke_selected"]

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """The form, and for a key that exists what is known of it."""
        may = ("What it may do", {"fields": ["scopes", "allowed_models", "allowed_classes", "allowed_networks"]})
        if obj is None:
            return [(None, {"fields": ["project", "name", "expires_at"]}), may]
        known = ["shown_key", "state", "secrets", "last_used_at", "revoked_at", "created_at", "created_by"]
        return [(None, {"fields": ["project", "name", "expires_at"]}), may, ("The key", {"fields": known})]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> list[str]:
        """A key never changes its project: its usage belongs there."""
        if obj is None:
            return []
        known = ["project", "shown_key", "state", "secrets", "last_used_at", "revoked_at", "created_at", "created_by"]
        if obj.revoked_at is None:
            return known
        return [*known, "name", "expires_at", "scopes", "allowed_models", "allowed_classes", "allowed_networks"]

    @admin.display(description="key", ordering="public_id")
    def shown_key(self, api_key: ApiKey) -> str:
        """What everybody may see of the key."""
        return format_html("<code>{}</code>", fingerprint(api_key.public_id))

    @admin.display(description="organization", ordering="project__organization__name")
    def organization(self, api_key: ApiKey) -> str:
        """Whose key it is."""
        return str(api_key.project.organization)

    @admin.display(description="project", ordering="project__name")
    def project_name(self, api_key: ApiKey) -> str:
        """The project, without the organization that has a column of its own."""
        return api_key.project.name

    @admin.display(description="state")
    def state(self, api_key: ApiKey) -> str:
        """active, suspended (with its organization), expired or revoked."""
        return key_state(api_key)

    @admin.display(description="secrets")
    def secrets(self, api_key: ApiKey) -> str:
        """Since when each secret works, and until when."""
        ends = [(secret.created_at, secret.expires_at) for secret in api_key.secrets.order_by("-pk")]
        return "; ".join(
            f"since {since:%Y-%m-%d %H:%M}" + (f", old one works until {until:%Y-%m-%d %H:%M}" if until else "")
            for since, until in ends
        )

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Also finds a key by what lists show of it, prefix and dots included."""
        from_list = search_term.strip().removesuffix("…")
        return super().get_search_results(request, queryset, from_list.removeprefix(fingerprint("").removesuffix("…")))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Django's form with one button: what follows is the key, not another form."""
        one_button = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**(extra_context or {}), **one_button})

    # -- issuing -----------------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        """Through the services. A new key's text goes with the row to `response_add`, and nowhere else."""
        actor = actor_of(request)
        if change:
            take_over(obj, update_key(actor=actor, api_key=obj, **changes_in(form)))
            return
        issued = issue_key(actor=actor, **form.cleaned_data)
        take_over(obj, issued.api_key)
        request.issued_key = issued  # type: ignore[attr-defined]

    @sensitive_variables()
    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """Shows the key in the answer to the form itself: no redirect, so that it is kept nowhere in between."""
        return self.show_once(request, request.issued_key, "issued")  # type: ignore[attr-defined]

    @sensitive_variables()
    def show_once(self, request: HttpRequest, issued: IssuedKey, how: str) -> HttpResponse:
        """The page with the key; browsers and proxies are told to keep no copy."""
        title = f"The key “{issued.api_key.name}” is {how}"
        context = {**self._context(request, issued.api_key, title), "text": issued.text, "how": how}
        response = TemplateResponse(request, "admin/accounts/apikey/shown_once.html", context)
        add_never_cache_headers(response)
        return response

    # -- rotating and revoking ---------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """Django's, and one for each button."""
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/rotate/", wrap(self.rotate_view), name="accounts_apikey_rotate"),
            path("<int:pk>/revoke/", wrap(self.revoke_view), name="accounts_apikey_revoke"),
            *super().get_urls(),
        ]

    @sensitive_variables("issued")
    def rotate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Asks for the overlap, and shows the new secret in the answer."""
        api_key = self._key_to_change(request, pk)
        newest = api_key.secrets.order_by("-pk").values_list("pk", flat=True).first()
        form = RotateForm(request.POST or None, newest_secret=newest)
        if form.is_valid():
            try:
                with transaction.atomic():
                    issued = rotate_key(
                        actor=actor_of(request),
                        api_key=api_key,
                        overlap=form.overlap(),
                        expected_secret=form.cleaned_data["secret"],
                    )
                    self.log_change(request, api_key, "Rotated.")
            except ActRefused as refused:
                self.message_user(request, str(refused), messages.ERROR)
                return self._back(api_key)
            return self.show_once(request, issued, "rotated")
        context = {**self._context(request, api_key, f"Rotate the key “{api_key.name}”"), "form": form}
        return TemplateResponse(request, "admin/accounts/apikey/rotate.html", context)

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Asks, then revokes."""
        api_key = self._key_to_change(request, pk)
        if request.method == "POST":
            self._revoke(request, api_key)
            self.message_user(request, f"The key “{api_key.name}” is revoked.", messages.SUCCESS)
            return self._back(api_key)
        context = {**self._context(request, api_key, f"Revoke the key “{api_key.name}”?"), "keys": [api_key]}
        return TemplateResponse(request, "admin/accounts/apikey/revoke.html", context)

    @admin.action(description="Revoke selected keys", permissions=["change"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        """Asks, then revokes them all in one transaction."""
        keys = list(queryset.select_related("project__organization"))
        if request.POST.get("confirmed"):
            with transaction.atomic():
                for api_key in keys:
                    self._revoke(request, api_key)
            self.message_user(request, f"{len(keys)} keys are revoked.", messages.SUCCESS)
            return None
        title = f"Revoke {len(keys)} keys?"
        context = {
            **self._context(request, None, title),
            "keys": keys,
            "action": "revoke_selected",
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/accounts/apikey/revoke.html", context)

    def _revoke(self, request: HttpRequest, api_key: ApiKey) -> None:
        with transaction.atomic():
            revoke_key(actor=actor_of(request), api_key=api_key)
            self.log_change(request, api_key, "Revoked.")

    def _key_to_change(self, request: HttpRequest, pk: int) -> ApiKey:
        api_key = self.get_object(request, str(pk))
        if api_key is None or not self.has_change_permission(request, api_key):
            raise PermissionDenied
        return api_key

    def _back(self, api_key: ApiKey) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:accounts_apikey_change", args=[api_key.pk]))

    def _context(self, request: HttpRequest, api_key: ApiKey | None, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, "original": api_key, "title": title}
