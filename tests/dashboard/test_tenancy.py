"""Every page of an organization, found by walking the URLs: a new one is tried without anybody adding it here."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.services import create_organization
from tests.dashboard.conftest import Cast

SLUG = "slug"
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="[^"]*"')


def patterns(resolver: Any, known: frozenset[str] = frozenset()) -> Iterator[tuple[str, frozenset[str]]]:
    """Name and parameters of every URL below `resolver`."""
    for entry in resolver.url_patterns:
        parameters = known | entry.pattern.converters.keys()
        if isinstance(entry, URLResolver):
            yield from patterns(entry, parameters)
        elif isinstance(entry, URLPattern) and SLUG in parameters:
            assert entry.name, f"{entry.pattern} has no name, so that nobody can test it."
            yield entry.name, parameters


PAGES = sorted(patterns(get_resolver()))
VALUES = {"public_id": lambda cast: cast.api_key.public_id}


def addresses(cast: Cast, slug: str) -> list[str]:
    """The address of every page for the organization `slug`, with Alice's objects in the other parameters."""
    return [
        reverse(name, kwargs={SLUG: slug, **{key: VALUES[key](cast) for key in parameters - {SLUG}}})
        for name, parameters in PAGES
    ]


def test_the_walk_finds_the_pages() -> None:
    assert {"overview", "keys", "issue-key", "revoke-key"} <= {name for name, _ in PAGES}


@pytest.mark.parametrize("method", ["get", "head", "post", "put", "delete"])
def test_an_outsider_finds_none_of_an_organizations_pages(cast: Cast, method: str) -> None:
    for address in addresses(cast, "reeder"):
        answer = getattr(cast.charlie, method)(address)
        assert answer.status_code in (404, 405), address
        assert b"Reederei" not in answer.content, address
        if method == "get":
            assert answer.status_code == 404, address


def test_the_answer_is_the_same_as_for_an_organization_that_does_not_exist(cast: Cast) -> None:
    for real, invented in zip(addresses(cast, "reeder"), addresses(cast, "nobody"), strict=True):
        pages = [TOKEN.sub("", cast.charlie.get(address).content.decode()) for address in (real, invented)]
        assert pages[0] == pages[1], real


def test_another_organizations_objects_are_not_reached_through_ones_own(cast: Cast) -> None:
    for name, parameters in PAGES:
        if parameters == {SLUG}:
            continue
        address = reverse(name, kwargs={SLUG: "kontor", **{key: VALUES[key](cast) for key in parameters - {SLUG}}})
        for answer in (cast.charlie.get(address), cast.charlie.post(address)):
            assert answer.status_code == 404, address
    cast.api_key.refresh_from_db()
    assert cast.api_key.revoked_at is None


def test_without_signing_in_every_page_leads_to_the_sign_in_page(cast: Cast) -> None:
    for slug in ("reeder", "nobody"):
        for address in addresses(cast, slug):
            answer = Client().get(address)
            assert answer.status_code == 302, address
            assert answer["Location"] == f"{reverse('login')}?next={address}"


def test_members_see_their_pages_and_nothing_of_them_is_cached(cast: Cast) -> None:
    for address in addresses(cast, "reeder"):
        answer = cast.alice.get(address)
        assert answer.status_code == 200, address
        assert "no-store" in answer["Cache-Control"], address
        assert "private" in answer["Cache-Control"], address


def test_a_removed_member_is_an_outsider_at_once(cast: Cast) -> None:
    cast.organization.memberships.filter(user__email="bob@reeder.example").delete()
    for address in addresses(cast, "reeder"):
        assert cast.bob.get(address).status_code == 404, address


def test_an_operator_has_no_place_in_a_customers_dashboard(cast: Cast, admin_client: Client) -> None:
    for address in addresses(cast, "reeder"):
        assert admin_client.get(address).status_code == 404, address


def test_the_switcher_names_ones_own_organizations_only(cast: Cast) -> None:
    alice = cast.organization.memberships.get(user__email="alice@reeder.example").user
    create_organization(actor=alice, slug="werft", name="Werft Weser", owner=alice)
    page = cast.alice.get(reverse("overview", args=["reeder"])).content.decode()
    assert "Werft Weser" in page
    assert "Kontor" not in page
