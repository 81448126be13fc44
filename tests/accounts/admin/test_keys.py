"""The key pages of the admin."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts.keys import fingerprint, parse_key
from accounts.models import ApiKey, ApiKeySecret, AuditEvent, Project, User
from accounts.services import issue_key, revoke_key, update_organization_status
from tests.accounts.conftest import ACTOR

LIST = "/admin/accounts/apikey/"
ADD = "/admin/accounts/apikey/add/"
KEY = re.compile(r"sk-hanse-[0-9A-Za-z]{61}")


def filled(project: Project, **changes: Any) -> dict[str, Any]:
    """The form of a new key as a browser sends it."""
    return {
        "project": project.pk,
        "name": "shop",
        "scopes": ["chat", "models"],
        "allowed_models": "demo-chat\r\n\r\n other-model ",
        "allowed_classes": ["premium"],
        "allowed_networks": "192.0.2.0/24\r\n2001:DB8::/32",
        "expires_at_0": "",
        "expires_at_1": "",
        **changes,
    }


def change_url(api_key: ApiKey) -> str:
    """The key's page."""
    return f"/admin/accounts/apikey/{api_key.pk}/change/"


def text_of(response: Any) -> str:
    """The page."""
    assert response.status_code == 200
    return response.content.decode()


def errors_of(response: Any) -> dict[str, list[str]]:
    """The messages beside each field."""
    assert response.status_code == 200
    return dict(response.context["adminform"].form.errors)


def test_a_new_key_is_shown_in_the_answer_and_nowhere_else(operating: Client, operator: User, project: Project) -> None:
    answer = operating.post(ADD, filled(project))
    page = text_of(answer)
    (text,) = set(KEY.findall(page))
    key = ApiKey.objects.get()
    assert parse_key(text) == key.public_id
    assert "no-store" in answer["Cache-Control"]
    assert "Location" not in answer
    assert key.scopes == ["chat", "models"]
    assert key.allowed_models == ["demo-chat", "other-model"]
    assert key.allowed_classes == ["premium"]
    assert key.allowed_networks == ["192.0.2.0/24", "2001:db8::/32"]
    assert key.created_by == operator
    kept = [
        *(session.get_decoded() for session in Session.objects.all()),
        *LogEntry.objects.values(),
        *AuditEvent.objects.values(),
        dict(answer.cookies),
    ]
    assert text[-49:] not in repr(kept)
    for url in (LIST, change_url(key), "/admin/", "/admin/accounts/auditevent/"):
        assert text[-49:] not in text_of(operating.get(url))


def test_the_page_copies_with_a_script_of_its_own_and_nothing_inline(operating: Client, project: Project) -> None:
    answer = operating.post(ADD, filled(project))
    page = text_of(answer)
    assert 'data-copy="new-key"' in page
    assert '<code id="new-key">' in page
    assert "hanse/copy.js" in page
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page)
    policy = answer["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_a_form_sent_twice_issues_one_key(operating: Client, project: Project) -> None:
    operating.post(ADD, filled(project))
    again = operating.post(ADD, filled(project))
    assert errors_of(again) == {"name": ["The project has a key with this name already."]}
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "   ", "required"),
        ("scopes", [], "Choose at least one scope."),
        ("allowed_models", "demo-chat\r\nno model", "“no model” cannot be a model id."),
        ("allowed_networks", "192.0.2.0/24\r\noffice", "“office” is no IP address or CIDR range"),
        ("allowed_networks", "10.0.0.5/8", "write 10.0.0.0/8 for the range"),
        ("allowed_classes", ["gold"], "gold"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field(
    operating: Client, project: Project, field: str, value: Any, message: str
) -> None:
    errors = errors_of(operating.post(ADD, filled(project, **{field: value})))
    assert list(errors) == [field]
    assert message in errors[field][0]
    assert not ApiKey.objects.exists()


def test_the_form_of_a_new_key_has_one_button(operating: Client) -> None:
    assert re.findall(r'<input type="submit"[^>]* name="(\w+)"', text_of(operating.get(ADD))) == ["_save"]


def test_what_was_typed_wrongly_stays_in_the_form(operating: Client, project: Project) -> None:
    page = text_of(operating.post(ADD, filled(project, allowed_networks="192.0.2.0/24\r\noffice")))
    assert re.search(r"192\.0\.2\.0/24\s+office</textarea>", page)


def test_an_expiry_in_the_past_is_refused(operating: Client, project: Project) -> None:
    answer = operating.post(ADD, filled(project, expires_at_0="2001-01-01", expires_at_1="00:00:00"))
    assert "revoke it" in errors_of(answer)["expires_at"][0]


def test_a_key_is_changed_and_the_trail_knows_what(operating: Client, operator: User, project: Project) -> None:
    key = issue_key(actor=ACTOR, project=project, name="shop", allowed_networks=["192.0.2.0/24"]).api_key
    same = filled(project, name="web", scopes=key.scopes, allowed_models="", allowed_classes=[])
    answer = operating.post(change_url(key), {**same, "allowed_networks": " 192.0.2.0/24 \r\n"})
    assert answer.status_code == 302
    event = AuditEvent.objects.get(action="api_key.changed")
    assert (event.actor, event.detail) == (operator, {"name": "web"})


def test_the_page_of_a_key_shows_its_lists_line_by_line(operating: Client, project: Project) -> None:
    key = issue_key(
        actor=ACTOR, project=project, name="shop", allowed_networks=["192.0.2.0/24", "2001:db8::/32"]
    ).api_key
    page = text_of(operating.get(change_url(key)))
    assert re.search(r"192\.0\.2\.0/24\s+2001:db8::/32</textarea>", page)
    assert fingerprint(key.public_id) in page
    assert f"/admin/accounts/apikey/{key.pk}/rotate/" in page
    assert f"/admin/accounts/apikey/{key.pk}/revoke/" in page


def test_the_page_of_a_revoked_key_is_to_read(operating: Client, project: Project) -> None:
    key = issue_key(actor=ACTOR, project=project, name="shop").api_key
    revoke_key(actor=ACTOR, api_key=key)
    page = text_of(operating.get(change_url(key)))
    assert "/rotate/" not in page
    assert 'name="scopes"' not in page
    operating.post(change_url(key), filled(project, name="other"))
    assert ApiKey.objects.get().name == "shop"


def test_revoking_asks_first_and_takes_a_post(operating: Client, project: Project) -> None:
    key = issue_key(actor=ACTOR, project=project, name="shop").api_key
    url = f"/admin/accounts/apikey/{key.pk}/revoke/"
    assert "cannot be undone" in text_of(operating.get(url))
    assert ApiKey.objects.get().revoked_at is None
    assert "is revoked" in text_of(operating.post(url, follow=True))
    assert ApiKey.objects.get().revoked_at is not None
    assert LogEntry.objects.get().change_message == "Revoked."


def test_rotating_shows_the_new_secret_once(operating: Client, project: Project) -> None:
    issued = issue_key(actor=ACTOR, project=project, name="shop")
    url = f"/admin/accounts/apikey/{issued.api_key.pk}/rotate/"
    form = operating.get(url).context["form"]
    assert form["hours"].value() == 24
    answer = operating.post(url, {"hours": 3, "secret": form["secret"].value()})
    (text,) = set(KEY.findall(text_of(answer)))
    assert "no-store" in answer["Cache-Control"]
    assert text != issued.text
    assert parse_key(text) == issued.api_key.public_id
    old = ApiKeySecret.objects.order_by("pk")[0]
    assert old.expires_at is not None
    assert timedelta(hours=2.9) < old.expires_at - timezone.now() <= timedelta(hours=3)
    again = operating.post(url, {"hours": 3, "secret": form["secret"].value()}, follow=True)
    assert "rotated in the meantime" in text_of(again)
    assert ApiKeySecret.objects.count() == 2


@pytest.mark.parametrize("hours", ["", "-1", "x", "99999"])
def test_an_overlap_that_is_none_is_refused_beside_the_field(operating: Client, project: Project, hours: str) -> None:
    key = issue_key(actor=ACTOR, project=project, name="shop").api_key
    url = f"/admin/accounts/apikey/{key.pk}/rotate/"
    answer = operating.post(url, {"hours": hours, "secret": key.secrets.get().pk})
    assert "hours" in answer.context["form"].errors
    assert 'class="errorlist"' in text_of(answer)
    assert ApiKeySecret.objects.count() == 1


def test_many_keys_are_revoked_at_once_after_a_question(operating: Client, project: Project) -> None:
    keys = [issue_key(actor=ACTOR, project=project, name=name).api_key.pk for name in ("a", "b", "c")]
    chosen = {"action": "revoke_selected", "_selected_action": keys[:2]}
    question = text_of(operating.post(LIST, chosen))
    assert "Revoke 2 keys?" in question
    assert ApiKey.objects.filter(revoked_at__isnull=True).count() == 3
    operating.post(LIST, {**chosen, "confirmed": "yes"})
    assert list(ApiKey.objects.filter(revoked_at__isnull=True).values_list("pk", flat=True)) == [keys[2]]
    assert AuditEvent.objects.filter(action="api_key.revoked").count() == 2


def test_keys_cannot_be_deleted(operating: Client, project: Project) -> None:
    key = issue_key(actor=ACTOR, project=project, name="a").api_key
    assert operating.post(f"/admin/accounts/apikey/{key.pk}/delete/", {"post": "yes"}).status_code == 403
    operating.post(LIST, {"action": "delete_selected", "_selected_action": [key.pk], "post": "yes"})
    assert ApiKey.objects.exists()
    assert "delete_selected" not in text_of(operating.get(LIST))


def test_the_list_tells_each_state_and_filters_by_it(operating: Client, project: Project) -> None:
    issue_key(actor=ACTOR, project=project, name="good one")
    revoke_key(actor=ACTOR, api_key=issue_key(actor=ACTOR, project=project, name="revoked one").api_key)
    expired = issue_key(actor=ACTOR, project=project, name="expired one").api_key
    ApiKey.objects.filter(pk=expired.pk).update(expires_at=timezone.now())

    def listed(state: str) -> dict[str, str]:
        page = text_of(operating.get(LIST, {"state": state}))
        names = re.findall(r"(\w+ one)</a>", page)
        return dict(zip(names, re.findall(r'class="field-state">(\w+)<', page), strict=True))

    assert listed("") == {"good one": "active", "revoked one": "revoked", "expired one": "expired"}
    assert listed("active") == {"good one": "active"}
    assert listed("revoked") == {"revoked one": "revoked"}
    assert listed("expired") == {"expired one": "expired"}
    update_organization_status(actor=ACTOR, organization=project.organization, status="suspended")
    assert listed("suspended") == {"good one": "suspended"}
    assert listed("active") == {}


def test_a_key_is_found_by_what_lists_show_of_it(operating: Client, project: Project) -> None:
    keys = [issue_key(actor=ACTOR, project=project, name=f"key {number}").api_key for number in range(3)]
    for term in (fingerprint(keys[1].public_id), keys[1].public_id, '"key 1"'):
        page = text_of(operating.get(LIST, {"q": term}))
        assert [key.name for key in keys if f">{key.name}</a>" in page] == ["key 1"]
    assert "key 2</a>" in text_of(operating.get(LIST, {"q": "reeder"}))


def test_an_operator_who_may_only_look_can_neither_rotate_nor_revoke(project: Project) -> None:
    key = issue_key(actor=ACTOR, project=project, name="a").api_key
    looker = User.objects.create_user("looker@hanse.example", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_apikey"))
    client = Client()
    client.force_login(looker)
    assert "/rotate/" not in text_of(client.get(change_url(key)))
    for act in ("rotate", "revoke"):
        assert client.post(f"/admin/accounts/apikey/{key.pk}/{act}/", {"hours": 1}).status_code == 403
    client.post(LIST, {"action": "revoke_selected", "_selected_action": [key.pk], "confirmed": "yes"})
    assert ApiKey.objects.get().revoked_at is None
    assert ApiKeySecret.objects.count() == 1
