"""What a page says when other processes cannot be told."""

import time
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from accounts import announcements
from accounts.models import ApiKey, Project, User
from accounts.services import issue_key
from tests.accounts.conftest import ACTOR
from tests.engines import free_port

pytestmark = pytest.mark.django_db(transaction=True)

WARNING = "Redis does not answer. Other web processes may go on as before for up to 30 seconds."


@pytest.fixture
def no_redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    monkeypatch.setattr(announcements, "_paused_until", float("-inf"))
    monkeypatch.setattr(announcements, "_last_lost", float("-inf"))


def test_an_operator_is_told_who_revokes_while_redis_is_away(
    project: Project, operating: Client, no_redis: None
) -> None:
    key = issue_key(actor=ACTOR, project=project, name="shop").api_key
    page = operating.post(f"/admin/accounts/apikey/{key.pk}/revoke/", follow=True).content.decode()
    assert WARNING in page
    assert ApiKey.objects.get().revoked_at is not None
    assert WARNING not in operating.get(f"/admin/accounts/apikey/{key.pk}/change/").content.decode()


def test_who_changes_nothing_is_told_nothing(operating: Client, no_redis: None) -> None:
    announcements._last_lost = time.monotonic()
    assert WARNING not in operating.get("/admin/", follow=True).content.decode()


def test_a_page_of_the_async_server_says_it_too(project: Project, owner: User, no_redis: None) -> None:
    key = issue_key(actor=ACTOR, project=project, name="shop").api_key

    async def revoke() -> str:
        browser = AsyncClient()
        await browser.aforce_login(owner)
        answer = await browser.post(f"/o/reeder/keys/{key.public_id}/revoke/", follow=True)
        return answer.content.decode()

    assert WARNING in async_to_sync(revoke)()
