"""Changing one's own password, as a member and as an operator."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from tests.dashboard.conftest import PASSWORD, Cast, sign_in

PAGE = "/password/"
ADMIN_PAGE = "/admin/password_change/"
NEW = "a longer horse, a battery more"


def wanted(**changes: str) -> dict[str, str]:
    """What somebody types who gets everything right."""
    return {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW, **changes}


def changes_noted() -> list[tuple[str, str, dict[str, bool]]]:
    """Who changed whose password, by the trail."""
    events = AuditEvent.objects.filter(action="user.password_changed").order_by("pk")
    return list(events.values_list("actor_label", "target_label", "detail"))


def test_a_member_changes_their_password_and_stays_signed_in_here_only(cast: Cast) -> None:
    alice = User.objects.get(email="alice@reeder.example")
    elsewhere = sign_in(alice)
    answer = cast.alice.post(PAGE, wanted(), follow=True)
    assert answer.redirect_chain[-1][0] == reverse("overview", args=["reeder"])
    assert "Your password is changed." in answer.content.decode()
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert elsewhere.get(reverse("overview", args=["reeder"])).status_code == 302
    assert changes_noted() == [("alice@reeder.example", str(alice), {"can_sign_in": True})]


@pytest.mark.parametrize("page", [PAGE, ADMIN_PAGE])
@pytest.mark.parametrize(
    ("mistake", "field"),
    [
        ({"old_password": "wrong"}, "old_password"),
        ({"new_password2": "something else"}, "new_password2"),
        ({"new_password1": "short", "new_password2": "short"}, "new_password2"),
        ({"new_password1": "operator@hanse", "new_password2": "operator@hanse"}, "new_password2"),
    ],
)
def test_a_mistake_changes_nothing_and_is_said_beside_the_field(
    db: None, page: str, mistake: dict[str, str], field: str
) -> None:
    operator = User.objects.create_superuser("operator@hanse.example", PASSWORD)
    answer = sign_in(operator).post(page, wanted(**mistake))
    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == [field]
    assert NEW not in answer.content.decode()
    before = operator.password
    operator.refresh_from_db()
    assert operator.password == before
    assert changes_noted() == []


def test_an_operators_change_in_the_admin_is_in_the_trail(db: None) -> None:
    operator = User.objects.create_superuser("operator@hanse.example", PASSWORD)
    client = sign_in(operator)
    assert client.get(ADMIN_PAGE).status_code == 200
    assert client.post(ADMIN_PAGE, wanted())["Location"] == "/admin/password_change/done/"
    assert client.get("/admin/").status_code == 200
    operator.refresh_from_db()
    assert operator.check_password(NEW)
    assert changes_noted() == [("operator@hanse.example", str(operator), {"can_sign_in": True})]


def test_the_page_of_a_user_who_does_not_exist_is_no_failure(admin_client: Client) -> None:
    for name in ("999999", "nobody"):
        assert admin_client.get(f"/admin/accounts/user/{name}/password/").status_code in (302, 404)


def test_the_page_is_in_the_menu_and_for_signed_in_people_only(cast: Cast) -> None:
    assert f'href="{PAGE}"' in cast.bob.get(reverse("keys", args=["reeder"])).content.decode()
    answer = cast.bob.get(PAGE)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    for method in ("get", "post"):
        assert getattr(Client(), method)(PAGE)["Location"] == f"/login/?next={PAGE}"


def test_the_form_needs_its_token(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(email="alice@reeder.example"))
    assert client.post(PAGE, wanted()).status_code == 403
