"""Headless Chromium beside the running stack."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.people import Visitor, sign_in
from tests.browser.watch import watch
from tests.conftest import CHROMIUM_FLAGS
from tests.stack import Server, Stack


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    """One browser for these tests; each visitor has a profile of their own in it.

    No longer than that: while Playwright's synchronous API is up, an event loop runs in this thread, and no
    asynchronous test can.
    """
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser, uvicorn: Server) -> Iterator[Page]:
    """An anonymous visitor's page; whatever the browser complains about fails the test."""
    context = browser.new_context(base_url=uvicorn.url, viewport={"width": 1200, "height": 850})
    context.set_default_timeout(10_000)
    page = context.new_page()
    complaints = watch(page)
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def operator(page: Page, stack: Stack) -> Page:
    """The page, signed in as the demo's operator."""
    sign_in(page, stack.admin, "/admin/")
    return page


@pytest.fixture
def customer(browser: Browser, uvicorn: Server, stack: Stack) -> Iterator[Visitor]:
    """Makes pages that are signed in as the demo's customer, on a screen and in colours of choice."""
    visitor = Visitor(browser, uvicorn.url, stack.customer)
    yield visitor
    visitor.leave()
    assert visitor.complaints == []
