"""Deployments in the admin: what they are, how they are, and taking them out of service and back."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.cache import add_never_cache_headers

from accounts.admin.acting import actor_of
from inference.admin.deployment_form import DeploymentForm
from inference.admin.deployment_state import ago, badge, reason_in_words, state_in_words
from inference.deployment_check import check_deployment
from inference.deployment_reports import Status, statuses
from inference.models import Deployment
from inference.services import delete_deployment, drain_deployment, resume_deployment, save_deployment

NOW = ["state", "last_failure", "under_way", "last_answer"]


def observe(deployments: list[Any]) -> None:
    """Gives each deployment what the web processes say of it; asks them once."""
    found = statuses()
    for deployment in deployments:
        deployment.asked = found is not None
        deployment.status = (found or {}).get(deployment.name)


class ObservedList(ChangeList):
    """The page of deployments, with what the web processes say of them."""

    def get_results(self, request: HttpRequest) -> None:
        """Django's, observed."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        observe(self.result_list)


class DrainingFilter(admin.SimpleListFilter):
    """Taken out of service by hand, or not."""

    title = "draining"
    parameter_name = "draining"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Yes and no."""
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> QuerySet[Deployment]:
        """The rows of the choice."""
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(draining_since__isnull=self.value() == "no")


@admin.register(Deployment)
class DeploymentAdmin(admin.ModelAdmin):
    """The engines."""

    form = DeploymentForm
    change_form_template = "admin/inference/deployment/change_form.html"
    list_display = ["name", "model", *NOW, "weight", "max_concurrency", "url", "triton_model"]
    list_filter = ["enabled", DrainingFilter, "adapter", "model__model_class"]
    list_select_related = ["model"]
    search_fields = ["name", "url", "triton_model", "model__model_id"]
    autocomplete_fields = ["model"]
    actions = ["drain", "resume", "check_engine", "enable", "disable"]

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """The form; of a deployment that exists also how it is."""
        fieldsets: list[Any] = [
            (None, {"fields": ["name", "model", "enabled"]}),
            ("Engine", {"fields": ["adapter", "url", "triton_model", "triton_version", "options"]}),
            ("Tensors, for the adapter with a tensor map", {"fields": ["preset", "tensor_map"]}),
            ("Load", {"fields": ["weight", "max_concurrency"]}),
            ("Secret", {"fields": ["secret_header", "secret"]}),
        ]
        return fieldsets if obj is None else [("At the moment", {"fields": NOW, "classes": ["hanse-now"]}), *fieldsets]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """How it is at the moment."""
        return [] if obj is None else NOW

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The row, with what the web processes say of it."""
        deployment = super().get_object(request, object_id, from_field)
        if deployment is not None:
            observe([deployment])
        return deployment

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The observed one."""
        return ObservedList

    # -- how it is ---------------------------------------------------------------------------------------------

    @admin.display(description="state")
    def state(self, deployment: Any) -> str:
        """In a word."""
        return badge(state_in_words(deployment, deployment.status, asked=deployment.asked))

    @admin.display(description="under way")
    def under_way(self, deployment: Any) -> str:
        """Requests, in all web processes."""
        status: Status | None = deployment.status
        return str(status.under_way if status else 0) if deployment.asked else "?"

    @admin.display(description="last answer")
    def last_answer(self, deployment: Any) -> str:
        """When a request began to be answered."""
        return ago(deployment.status.last_answer_at if deployment.status else None)

    @admin.display(description="last failure")
    def last_failure(self, deployment: Any) -> str:
        """When, and why."""
        status: Status | None = deployment.status
        if status is None or status.last_failure_at is None:
            return "–"
        return f"{ago(status.last_failure_at)}: {reason_in_words(status.reason)}"

    # -- writing -----------------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Deployment, form: Any, change: bool) -> None:
        """Through the service."""
        secret = form.cleaned_data.get("secret") or None
        # The form has asked the engine.
        save_deployment(actor=actor_of(request), deployment=obj, secret=secret, ask_engine=False)
        if form.unchecked:
            self.message_user(request, form.unchecked, messages.WARNING)

    def delete_model(self, request: HttpRequest, obj: Deployment) -> None:
        """Through the service."""
        delete_deployment(actor=actor_of(request), deployment=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> None:
        """One by one, so that each has its audit event."""
        for deployment in queryset:
            delete_deployment(actor=actor_of(request), deployment=deployment)

    # -- out of service and back -------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """Django's, one for each button, and the state by itself."""
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/drain/", wrap(self.drain_view), name="inference_deployment_drain"),
            path("<int:pk>/resume/", wrap(self.resume_view), name="inference_deployment_resume"),
            path("<int:pk>/now/", wrap(self.now_view), name="inference_deployment_now"),
            *super().get_urls(),
        ]

    def drain_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The button of the page."""
        return self._button(request, pk, self._drain)

    def resume_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The button of the page."""
        return self._button(request, pk, self._resume)

    def _button(self, request: HttpRequest, pk: int, act: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        deployment = get_object_or_404(Deployment.objects.select_related("model"), pk=pk)
        if not self.has_change_permission(request, deployment):
            raise PermissionDenied
        act(request, deployment)
        return HttpResponseRedirect(reverse("admin:inference_deployment_change", args=[pk]))

    def now_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """How it is, for the page to renew what it shows."""
        deployment = get_object_or_404(Deployment, pk=pk)
        if not self.has_view_permission(request, deployment):
            raise PermissionDenied
        observe([deployment])
        fields = [(name, getattr(self, name)(deployment)) for name in NOW]
        response = TemplateResponse(request, "admin/inference/deployment/now.html", {"fields": fields})
        add_never_cache_headers(response)
        return response

    def _drain(self, request: HttpRequest, deployment: Deployment) -> None:
        if drain_deployment(actor=actor_of(request), deployment=deployment):
            text = f"Deployment {deployment.name} gets no new requests; those under way finish."
            self.message_user(request, text, messages.SUCCESS)
        else:
            self.message_user(request, f"Deployment {deployment.name} is draining already.")

    def _resume(self, request: HttpRequest, deployment: Deployment) -> None:
        if resume_deployment(actor=actor_of(request), deployment=deployment):
            self.message_user(request, f"Deployment {deployment.name} gets requests again.", messages.SUCCESS)
        else:
            self.message_user(request, f"Deployment {deployment.name} was not draining.")

    @admin.action(description="Drain the selected deployments", permissions=["change"])
    def drain(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> None:
        """They get no new requests; those under way finish."""
        for deployment in queryset.select_related("model"):
            self._drain(request, deployment)

    @admin.action(description="Resume the selected deployments", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> None:
        """They get requests again."""
        for deployment in queryset.select_related("model"):
            self._resume(request, deployment)

    # -- other acts --------------------------------------------------------------------------------------------

    @admin.action(description="Check against the engine")
    def check_engine(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> None:
        """Says of each what does not fit."""
        for deployment in queryset.select_related("model"):
            report = check_deployment(deployment)
            if report.fits:
                self.message_user(request, f"{deployment.name} fits.", messages.SUCCESS)
            for problem in report.problems:
                self.message_user(request, f"{deployment.name}: {problem}", messages.WARNING)

    @admin.action(description="Enable the selected deployments", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> None:
        """They are part of their models again."""
        self._switch(request, queryset, enabled=True)

    @admin.action(description="Disable the selected deployments", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> None:
        """They get no new requests; what runs on them ends in its own time."""
        self._switch(request, queryset, enabled=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Deployment], *, enabled: bool) -> None:
        for deployment in queryset.select_related("model"):
            deployment.enabled = enabled
            save_deployment(actor=actor_of(request), deployment=deployment, ask_engine=False)
            self.message_user(request, f"{deployment.name} is {'enabled' if enabled else 'disabled'}.")
