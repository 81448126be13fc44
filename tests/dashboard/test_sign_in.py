"""Signing in, the brake on guessing, and where people land."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.dashboard import brake
from accounts.models import User
from tests.dashboard.conftest import PASSWORD, Cast, sign_in

LOGIN = "/login/"
WRONG = "not the password"


def attempt(client: Client, email: str, password: str = WRONG, **extra: str):
    """Sends the sign-in form."""
    return client.post(LOGIN, {"username": email, "password": password}, **extra)


def test_a_member_signs_in_and_lands_at_their_organization(cast: Cast) -> None:
    client = Client()
    answer = client.post(LOGIN, {"username": " Alice@Reeder.example", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain[-1][0] == reverse("overview", args=["reeder"])
    assert "Reederei Alster" in answer.content.decode()


def test_signing_out_ends_the_session_and_needs_a_form(cast: Cast) -> None:
    assert cast.alice.get(reverse("logout")).status_code == 405
    assert cast.alice.post(reverse("logout")).headers["Location"] == LOGIN
    assert cast.alice.get(reverse("overview", args=["reeder"])).status_code == 302


def test_an_answer_does_not_tell_who_has_an_account(cast: Cast) -> None:
    User.objects.filter(email="bob@reeder.example").update(is_active=False)
    pages = []
    for email, password in (
        ("alice@reeder.example", "wrong"),
        ("bob@reeder.example", PASSWORD),
        ("nobody@reeder.example", "wrong"),
    ):
        answer = attempt(Client(), email, password)
        assert answer.status_code == 200
        pages.append([str(error) for error in answer.context["form"].non_field_errors()])
    assert pages[0] == pages[1] == pages[2] != []


def test_the_eleventh_attempt_is_braked_even_with_the_right_password(cast: Cast) -> None:
    client = Client()
    for _ in range(brake.ATTEMPTS_PER_PERSON):
        assert attempt(client, "alice@reeder.example").status_code == 200
    answer = attempt(client, "ALICE@reeder.example", PASSWORD)
    assert answer.status_code == 429
    assert answer["Retry-After"] == "900"
    assert "Too many attempts" in answer.content.decode()
    assert "_auth_user_id" not in client.session


def test_the_brake_holds_one_person_at_one_address_only(cast: Cast) -> None:
    for _ in range(brake.ATTEMPTS_PER_PERSON + 1):
        attempt(Client(), "alice@reeder.example")
    assert attempt(Client(), "bob@reeder.example", PASSWORD).status_code == 302
    assert attempt(Client(), "alice@reeder.example", PASSWORD, REMOTE_ADDR="192.0.2.7").status_code == 302


def test_people_who_do_not_exist_are_braked_alike(cast: Cast) -> None:
    answers = [attempt(Client(), "nobody@reeder.example").status_code for _ in range(11)]
    assert answers == [200] * 10 + [429]


def test_trying_many_people_from_one_address_is_braked(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brake, "ATTEMPTS_PER_ADDRESS", 4)
    answers = [attempt(Client(), f"person{number}@reeder.example").status_code for number in range(6)]
    assert answers == [200] * 4 + [429] * 2


def test_signing_in_forgives_ones_own_mistakes(cast: Cast) -> None:
    for _ in range(3):
        for _ in range(brake.ATTEMPTS_PER_PERSON - 1):
            attempt(Client(), "alice@reeder.example")
        assert attempt(Client(), "alice@reeder.example", PASSWORD).status_code == 302


def test_an_office_that_signs_in_all_day_is_not_braked(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brake, "ATTEMPTS_PER_ADDRESS", 4)
    for _ in range(10):
        assert attempt(Client(), "alice@reeder.example", PASSWORD).status_code == 302


def test_a_forwarded_address_counts_only_from_a_trusted_proxy(cast: Cast, settings) -> None:
    def guess(name: str, forwarded: str) -> int:
        return attempt(Client(), f"{name}@reeder.example", HTTP_X_FORWARDED_FOR=forwarded).status_code

    spoofed = [guess("alice", f"198.51.100.{number}") for number in range(11)]
    assert spoofed[-1] == 429

    settings.TRUSTED_PROXIES = ["127.0.0.0/8"]
    genuine = [guess("bob", f"198.51.100.{number}") for number in range(11)]
    assert genuine == [200] * 11
    # What the browser itself claims stands further left and is not believed.
    claimed = [guess("charlie", f"198.51.100.{number}, 203.0.113.9") for number in range(11)]
    assert claimed[-1] == 429


def test_one_ipv6_network_is_one_address(cast: Cast) -> None:
    addresses = [f"2001:db8::{number:x}" for number in range(1, 12)]
    answers = [attempt(Client(), "alice@reeder.example", REMOTE_ADDR=one).status_code for one in addresses]
    assert answers[-1] == 429


def test_the_admin_has_no_sign_in_form_of_its_own(cast: Cast) -> None:
    for method in ("get", "post"):
        answer = getattr(Client(), method)("/admin/login/?next=/admin/accounts/")
        assert answer.status_code == 302
        assert answer["Location"] == "/login/?next=/admin/accounts/"
    assert Client().get("/admin/", follow=True).redirect_chain[-1][0] == "/login/?next=/admin/"


def test_a_customer_at_the_admins_door_is_told_no_instead_of_going_in_circles(cast: Cast) -> None:
    answer = cast.alice.get("/admin/", follow=True)
    assert answer.status_code == 403
    assert len(answer.redirect_chain) == 1


def test_signing_in_does_not_lead_to_another_site(cast: Cast) -> None:
    answer = Client().post(
        f"{LOGIN}?next=https://evil.example/",
        {"username": "alice@reeder.example", "password": PASSWORD, "next": "https://evil.example/"},
    )
    assert answer["Location"] == "/"


def test_somebody_without_an_organization_sees_why(db: None) -> None:
    client = sign_in(User.objects.create_user("new@reeder.example"))
    page = client.get("/").content.decode()
    assert "You belong to no organization yet" in page
    assert "new@reeder.example" in page
    assert "/admin/" not in page


def test_an_operator_finds_the_admin(db: None) -> None:
    client = sign_in(User.objects.create_superuser("operator@hanse.example"))
    assert 'href="/admin/"' in client.get("/").content.decode()


def test_somebody_with_two_organizations_chooses(cast: Cast) -> None:
    alice = User.objects.get(email="alice@reeder.example")
    cast.elsewhere.memberships.create(user=alice, role="viewer")
    page = cast.alice.get("/").content.decode()
    assert reverse("overview", args=["reeder"]) in page
    assert reverse("overview", args=["kontor"]) in page


@pytest.mark.parametrize("address", ["/nothing/", "/o/reeder/nothing/"])
def test_a_page_that_does_not_exist_says_so_in_our_frame(db: None, address: str) -> None:
    answer = Client().get(address)
    assert answer.status_code == 404
    assert "This page does not exist" in answer.content.decode()
    assert "nothing" not in answer.content.decode()


def test_a_failure_shows_a_page_without_details(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(user: User) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr("accounts.dashboard.access.memberships_of", broken)
    cast.alice.raise_request_exception = False
    answer = cast.alice.get(reverse("overview", args=["reeder"]))
    assert answer.status_code == 500
    assert "Something went wrong here" in answer.content.decode()
    assert "hunter2" not in answer.content.decode()


def test_a_form_without_its_token_is_refused_with_a_way_on(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = attempt(client, "alice@reeder.example", PASSWORD)
    assert answer.status_code == 403
    assert "reload the page" in answer.content.decode()


def test_pages_forbid_scripts_and_styles_from_elsewhere(cast: Cast) -> None:
    answer = cast.alice.get(reverse("overview", args=["reeder"]))
    policy = answer["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    page = answer.content.decode()
    assert " style=" not in page
    assert "<style" not in page
    assert "<script>" not in page
