"""The operators' admin: stock Django under our name, in the order in which operators think."""

from typing import Any, cast

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from accounts.models import User
from accounts.services import recorded_password

SECTIONS: dict[str, tuple[str, ...]] = {
    "Customers": ("accounts.Organization", "accounts.Project", "accounts.Membership", "accounts.ApiKey"),
    "Catalogue": ("inference.ServedModel", "inference.Deployment", "inference.FallbackModel"),
    "Prices": ("billing.PriceVersion",),
    "Usage": ("billing.UsageRecord", "billing.UsageHour"),
    "Audit": ("accounts.AuditEvent",),
    "Users": ("accounts.User", "auth.Group"),
}
"""The headings of the first page and of the side bar, and the models below each."""


class HanseAdminSite(AdminSite):
    """Django's admin with Hanse's titles, order and sign-in."""

    site_header = "Hanse"
    site_title = "Hanse admin"
    index_title = "Operations"

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Our sections instead of Django's apps; a model that no section names follows in its app at the end."""
        apps = super().get_app_list(request, app_label)
        if app_label is not None:
            return apps
        rest = {f"{app['app_label']}.{model['object_name']}": model for app in apps for model in app["models"]}
        index = reverse("admin:index", current_app=self.name)
        sections: list[Any] = []
        for name, labels in SECTIONS.items():
            if models := [rest.pop(label) for label in labels if label in rest]:
                slug = name.lower()
                sections.append({"name": name, "app_label": slug, "app_url": f"{index}#{slug}", "models": models})
        unnamed = {id(model) for model in rest.values()}
        for app in apps:
            app["models"] = [model for model in app["models"] if id(model) in unnamed]
        return sections + [app for app in apps if app["models"]]

    def password_change(  # type: ignore[override]  # Django redirects, too
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's page for one's own password, with an entry in the trail when it was changed."""
        actor = cast("User", request.user)
        with recorded_password(actor=actor, user=actor):
            return super().password_change(request, extra_context)

    @method_decorator(never_cache)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Sends people to the one sign-in page, so that they meet its brake; a customer is told no."""
        after = request.GET.get("next") or request.POST.get("next") or reverse("admin:index", current_app=self.name)
        if not request.user.is_authenticated:
            return redirect_to_login(after, reverse("login"))
        if not self.has_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:index", current_app=self.name))
