"""The pages of users, and the audit trail's."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from accounts.models import AuditEvent, Organization, User

ADD = "/admin/accounts/user/add/"
TRAIL = "/admin/accounts/auditevent/"
SECRET = "a long enough secret"


@pytest.fixture
def helper(db: None) -> User:
    """An operator who may change users and is no superuser."""
    user = User.objects.create_user("helper@hanse.example", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user", "add_user"]))
    return user


def change_url(user: User) -> str:
    """The user's page."""
    return f"/admin/accounts/user/{user.pk}/change/"


def test_a_user_is_added_by_address_with_a_password(operating: Client, operator: User) -> None:
    fields = {"email": "Ada@Kontor.example", "full_name": "Ada", "usable_password": "true"}
    assert operating.post(ADD, {**fields, "password1": SECRET, "password2": SECRET}).status_code == 302
    ada = User.objects.get(email="ada@kontor.example")
    assert ada.check_password(SECRET)
    assert not ada.is_staff
    event = AuditEvent.objects.get(action="user.created")
    assert (event.actor, event.detail) == (operator, {"operator": False, "can_sign_in": True})


def test_a_user_is_added_without_a_password(operating: Client) -> None:
    operating.post(ADD, {"email": "ada@kontor.example", "usable_password": "false", "is_staff": "on"})
    ada = User.objects.get(email="ada@kontor.example")
    assert not ada.has_usable_password()
    assert ada.is_staff


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "OPERATOR@hanse.example"}, "email"),
        ({"email": "nobody"}, "email"),
        ({"password2": "another long secret"}, "password2"),
        ({"password1": "12345678", "password2": "12345678"}, "password2"),
    ],
)
def test_a_wrong_value_is_said_beside_the_field(operating: Client, changes: dict[str, str], field: str) -> None:
    good = {"email": "ada@kontor.example", "usable_password": "true", "password1": SECRET, "password2": SECRET}
    answer = operating.post(ADD, {**good, **changes})
    assert list(answer.context["adminform"].form.errors) == [field]
    assert User.objects.count() == 1


def test_a_user_is_changed_and_the_trail_names_flags_and_groups(operating: Client, operator: User) -> None:
    ada = User.objects.create_user("ada@kontor.example")
    support = Group.objects.create(name="Support")
    fields = {"email": "ada@kontor.example", "full_name": "Ada", "is_active": "on", "is_staff": "on"}
    assert operating.post(change_url(ada), {**fields, "groups": [support.pk]}).status_code == 302
    ada.refresh_from_db()
    assert (ada.is_staff, ada.full_name, list(ada.groups.all())) == (True, "Ada", [support])
    events = AuditEvent.objects.filter(actor=operator).order_by("pk").values_list("action", "detail")
    assert list(events) == [
        ("user.changed", {"full_name": "Ada", "is_staff": True}),
        ("user.permissions_changed", {"groups": ["Support"]}),
    ]


def test_a_password_is_changed_on_its_own_page_and_noted(operating: Client, operator: User) -> None:
    ada = User.objects.create_user("ada@kontor.example")
    url = f"/admin/accounts/user/{ada.pk}/password/"
    wrong = {"password1": SECRET, "password2": "another", "usable_password": "true", "set-password": "1"}
    assert operating.post(url, wrong).status_code == 200
    assert not AuditEvent.objects.filter(action="user.password_changed").exists()
    assert operating.post(url, {**wrong, "password2": SECRET}).status_code == 302
    ada.refresh_from_db()
    assert ada.check_password(SECRET)
    event = AuditEvent.objects.get(action="user.password_changed")
    assert (event.actor, event.detail) == (operator, {"can_sign_in": True})


def test_users_are_locked_not_deleted(operating: Client) -> None:
    ada = User.objects.create_user("ada@kontor.example")
    assert operating.post(f"/admin/accounts/user/{ada.pk}/delete/", {"post": "yes"}).status_code == 403
    operating.post("/admin/accounts/user/", {"action": "delete_selected", "_selected_action": [ada.pk], "post": "yes"})
    assert User.objects.filter(pk=ada.pk).exists()
    operating.post(change_url(ada), {"email": "ada@kontor.example"})
    assert not User.objects.get(pk=ada.pk).is_active


def test_users_are_found_by_address_and_name(operating: Client) -> None:
    User.objects.create_user("ada@kontor.example", full_name="Ada Lovelace")
    for term in ("lovelace", "kontor"):
        assert "ada@kontor.example</a>" in operating.get("/admin/accounts/user/", {"q": term}).content.decode()


def test_only_a_superuser_hands_out_power(helper: User) -> None:
    ada = User.objects.create_user("ada@kontor.example")
    client = Client()
    client.force_login(helper)
    fields = {"email": "ada@kontor.example", "full_name": "Ada", "is_active": "on"}
    permissions = list(Permission.objects.values_list("pk", flat=True)[:3])
    client.post(change_url(ada), {**fields, "is_staff": "on", "is_superuser": "on", "user_permissions": permissions})
    ada.refresh_from_db()
    assert ada.full_name == "Ada"
    assert (ada.is_staff, ada.is_superuser, ada.user_permissions.count()) == (False, False, 0)
    client.post(ADD, {"email": "eve@kontor.example", "usable_password": "false", "is_staff": "on"})
    assert not User.objects.get(email="eve@kontor.example").is_staff


def test_only_a_superuser_changes_a_superuser(helper: User, operator: User) -> None:
    client = Client()
    client.force_login(helper)
    client.post(change_url(operator), {"email": "eve@hanse.example", "is_active": "on"})
    password = {"password1": SECRET, "password2": SECRET, "usable_password": "true", "set-password": "1"}
    assert client.post(f"/admin/accounts/user/{operator.pk}/password/", password).status_code == 403
    before = operator.password
    operator.refresh_from_db()
    assert (operator.email, operator.password) == ("operator@hanse.example", before)


def test_the_trail_is_read_only_even_for_a_superuser(operating: Client, organization: Organization) -> None:
    event = AuditEvent.objects.get(action="organization.created")
    page = operating.get(f"{TRAIL}{event.pk}/change/")
    assert page.status_code == 200
    assert "Reederei Alster" in page.content.decode()
    assert 'name="_save"' not in page.content.decode()
    assert operating.get(f"{TRAIL}add/").status_code == 403
    assert operating.post(f"{TRAIL}{event.pk}/change/", {"action": "x"}).status_code == 403
    assert operating.post(f"{TRAIL}{event.pk}/delete/", {"post": "yes"}).status_code == 403
    operating.post(TRAIL, {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"})
    assert AuditEvent.objects.get(pk=event.pk).action == "organization.created"


def test_the_trail_is_searched_and_filtered(operating: Client, organization: Organization) -> None:
    found = operating.get(TRAIL, {"q": "reeder", "action": "project.created"}).content.decode()
    assert "project.created</" in found
    assert ">organization.created</a></th>" not in found
