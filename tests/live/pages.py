"""A member's browser, without the browser."""

import re
from collections.abc import Callable

import httpx

from tests.stack import Server, Stack


def signed_in(server: Server, login: tuple[str, str]) -> httpx.Client:
    """A client with the member's session."""
    browser = httpx.Client(base_url=server.url, follow_redirects=True, timeout=30)
    sign_in(browser, login)
    return browser


def sign_in(browser: httpx.Client, login: tuple[str, str]) -> None:
    """Fills in the form."""
    page = browser.get("/login/")
    browser.post("/login/", data={"username": login[0], "password": login[1], **token(page)}).raise_for_status()


def token(page: httpx.Response) -> dict[str, str]:
    """The form token of a page."""
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert found is not None
    return {"csrfmiddlewaretoken": found[1]}


def revoking(browser: httpx.Client, stack: Stack, public_id: str) -> Callable[[], httpx.Response]:
    """Goes to the page that asks whether to revoke a key of the stack's organization; what is left is the button."""
    page = browser.get(f"/o/{stack.organization}/keys/")
    found = re.search(rf'"(/o/[^"]*{public_id}[^"]*revoke[^"]*)"', page.text)
    assert found is not None
    form = token(browser.get(found[1]))
    return lambda: browser.post(found[1], data=form, headers={"referer": str(browser.base_url)})
