"""More rows, not more queries."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, Organization, Role, User
from accounts.services import add_member, create_organization, create_project, issue_key, rotate_key
from tests.accounts.conftest import ACTOR


def customer(number: int) -> Organization:
    """A customer with an owner, a second member, a second project and a rotated key."""
    organization = create_organization(actor=ACTOR, slug=f"customer-{number}", name=f"Customer {number}")
    for role in (Role.OWNER, Role.VIEWER):
        user = User.objects.create_user(f"{role}-{number}@customer.example")
        add_member(actor=ACTOR, organization=organization, user=user, role=role)
    project = create_project(actor=ACTOR, organization=organization, slug="shop", name="Shop")
    key = issue_key(
        actor=User.objects.get(email=f"owner-{number}@customer.example"), project=project, name="key"
    ).api_key
    rotate_key(actor=ACTOR, api_key=key)
    return organization


def queries(client: Client, url: str) -> int:
    """How many a page takes, once sessions and content types are warm."""
    client.get(url)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


@pytest.mark.parametrize("model", ["organization", "project", "membership", "apikey", "user", "auditevent"])
@pytest.mark.parametrize("search", ["", "?q=customer"])
def test_a_list_takes_as_many_queries_for_one_customer_as_for_ten(operating: Client, model: str, search: str) -> None:
    customer(0)
    url = f"/admin/accounts/{model}/{search}"
    few = queries(operating, url)
    for number in range(1, 10):
        customer(number)
    assert queries(operating, url) == few


def more_members(organization: Organization) -> None:
    """Eight more."""
    for number in range(8):
        user = User.objects.create_user(f"member-{number}@customer.example")
        add_member(actor=ACTOR, organization=organization, user=user, role=Role.DEVELOPER)


def more_projects(organization: Organization) -> None:
    """Eight more."""
    for number in range(8):
        create_project(actor=ACTOR, organization=organization, slug=f"project-{number}", name=f"Project {number}")


@pytest.mark.parametrize("grow", [more_members, more_projects])
def test_an_organizations_page_takes_no_query_per_row(operating: Client, grow: Callable[[Organization], None]) -> None:
    organization = customer(0)
    url = f"/admin/accounts/organization/{organization.pk}/change/"
    few = queries(operating, url)
    grow(organization)
    assert Membership.objects.count() + organization.projects.count() >= 12
    assert queries(operating, url) == few


def test_the_choice_of_a_project_takes_no_query_per_project(operating: Client) -> None:
    url = "/admin/autocomplete/?app_label=accounts&model_name=apikey&field_name=project&term=customer"
    customer(0)
    few = queries(operating, url)
    for number in range(1, 6):
        customer(number)
    assert queries(operating, url) == few
    assert "Customer 5 / Shop" in operating.get(url).content.decode()
