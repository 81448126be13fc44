"""`/`: where a signed-in person goes."""

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User
from accounts.selectors import memberships_of


@require_safe
@never_cache
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """On to the person's organization; a choice where there are several, a way on where there is none."""
    memberships = list(memberships_of(cast("User", request.user)))
    if len(memberships) == 1:
        return redirect("overview", slug=memberships[0].organization.slug)
    template = "accounts/choose_organization.html" if memberships else "accounts/no_membership.html"
    return render(request, template, {"memberships": memberships})
