"""Who may see a page below `/o/<slug>/`: members with the right role; for everybody else it does not exist."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from accounts.models import Membership, Organization, User
from accounts.permissions import acts_of
from accounts.selectors import memberships_of


@dataclass(frozen=True)
class Place:
    """Where a signed-in person stands: one of their organizations, and what they may do there."""

    user: User
    organization: Organization
    memberships: list[Membership]
    acts: frozenset[str]
    offered_models: Callable[[], list[str]]
    """Ids of the models that the organization may use: known to the catalogue above this app, handed in by the URLs."""


def organization_page(act: str) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Makes `view(request, place, ...)` of an organization a view of `slug`.

    Anonymous people are sent to sign in, whatever the slug; somebody else's organization is 404 like one that does not
    exist; a member whose role lacks `act` gets 403. Nothing of it is cached anywhere.
    """

    def wrap(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @never_cache
        @login_required
        @wraps(view)
        def page(
            request: HttpRequest, slug: str, offered_models: Callable[[Organization], list[str]], **kwargs: Any
        ) -> HttpResponse:
            user = cast("User", request.user)
            memberships = list(memberships_of(user))
            membership = next((one for one in memberships if one.organization.slug == slug), None)
            if membership is None:
                raise Http404
            organization = membership.organization
            place = Place(user, organization, memberships, acts_of(membership), partial(offered_models, organization))
            if act not in place.acts:
                raise PermissionDenied
            return view(request, place, **kwargs)

        return page

    return wrap


def render_page(
    request: HttpRequest, template: str, place: Place, context: dict[str, Any] | None = None
) -> HttpResponse:
    """The template with what the frame around every organization's page needs."""
    frame = {
        "organization": place.organization,
        "memberships": place.memberships,
        "acts": place.acts,
        "key_prefix": settings.API_KEY_PREFIX,
    }
    return render(request, template, {**frame, **(context or {})})
