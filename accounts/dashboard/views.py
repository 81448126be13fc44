"""The key pages of an organization."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from accounts.dashboard.access import Place, organization_page, render_page
from accounts.dashboard.forms import IssueKeyForm
from accounts.selectors import keys_of
from accounts.services import issue_key, revoke_key


@require_safe
@organization_page("keys.view")
def keys(request: HttpRequest, place: Place) -> HttpResponse:
    """All keys, newest first."""
    return render_page(request, "accounts/keys.html", place, {"keys": keys_of(place.organization)})


@sensitive_variables("issued")
@require_http_methods(["GET", "HEAD", "POST"])
@organization_page("keys.issue")
def issue(request: HttpRequest, place: Place) -> HttpResponse:
    """Asks what the key may do, and shows the new key in the answer to that very form: it is kept nowhere."""
    form = IssueKeyForm(request.POST or None, organization=place.organization, models=place.offered_models())
    if form.is_valid():
        wanted = form.cleaned_data
        try:
            issued = issue_key(
                actor=place.user,
                project=wanted["project"],
                name=wanted["name"],
                expires_at=wanted["last_day"],
                scopes=wanted["scopes"],
                allowed_models=wanted["models"],
                allowed_networks=wanted["networks"],
            )
        except ValidationError as error:
            form.add_service_errors(error)
        else:
            return render_page(request, "accounts/key_issued.html", place, {"key": issued.api_key, "text": issued.text})
    return render_page(request, "accounts/key_issue.html", place, {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@organization_page("keys.revoke")
def revoke(request: HttpRequest, place: Place, public_id: str) -> HttpResponse:
    """Asks whether the key shall stop for good, then stops it."""
    key = get_object_or_404(keys_of(place.organization), public_id=public_id)
    if request.method != "POST":
        return render_page(request, "accounts/key_revoke.html", place, {"key": key})
    revoke_key(actor=place.user, api_key=key)
    messages.success(request, f"The key “{key.name}” is revoked. Programs that use it get an error from now on.")
    return redirect("keys", slug=place.organization.slug)
