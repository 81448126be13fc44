"""The admin in a browser: every page under the strict policy, light and dark, with its widgets."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.people import sign_in
from tests.browser.watch import watch
from tests.stack import Server, Stack

pytestmark = [pytest.mark.browser, pytest.mark.live]

ROWS = "#result_list tbody th a, #result_list tbody td.field-__str__ a"
ONWARD = ".object-tools a, .submit-row a.deletelink"
LINKS = "elements => elements.map(element => element.href)"


def walk(page: Page) -> Iterator[str]:
    """Opens the index, and from there each list, the form to add, the first row, its history and its buttons."""
    page.goto("/admin/")
    waiting = page.eval_on_selector_all("#content-main a", LINKS)
    seen = set()
    while waiting:
        path = urlsplit(waiting.pop(0)).path
        if path in seen or path == "/admin/":
            continue
        seen.add(path)
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        yield path
        waiting += page.eval_on_selector_all(ROWS, LINKS)[:1]
        waiting += page.eval_on_selector_all(ONWARD, LINKS)


def test_a_breach_of_the_policy_would_be_noticed(browser: Browser, uvicorn: Server) -> None:
    context = browser.new_context(base_url=uvicorn.url)
    page = context.new_page()
    complaints = watch(page)
    page.goto("/login/")
    assert complaints == []
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=color:red>x</p>')")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: '1'}))")
    page.wait_for_timeout(200)
    context.close()
    assert any("policy: style-src-attr" in complaint for complaint in complaints)
    assert any("policy: script-src-elem" in complaint for complaint in complaints)


def test_no_page_of_the_admin_breaks_the_content_security_policy(operator: Page) -> None:
    visited = list(walk(operator))
    for model in ("organization", "project", "membership", "apikey", "user"):
        assert f"/admin/accounts/{model}/" in visited
        assert f"/admin/accounts/{model}/add/" in visited
        assert any(re.fullmatch(rf"/admin/accounts/{model}/\d+/change/", path) for path in visited), model
    assert any(path.endswith("/history/") for path in visited)
    for path in ("/admin/accounts/", "/admin/password_change/", "/admin/accounts/apikey/?q=demo"):
        operator.goto(path)


def test_the_date_and_time_widgets_work_under_the_policy(operator: Page) -> None:
    operator.goto("/admin/accounts/apikey/add/")
    operator.locator(".field-expires_at .date-icon").click()
    expect(operator.locator("#calendarbox0")).to_be_visible()
    operator.locator("#calendarbox0 .calendarnav-next").click()
    operator.locator("#calendarin0 td a").first.click()
    expect(operator.locator("#id_expires_at_0")).not_to_have_value("")
    operator.locator(".field-expires_at .clock-icon").click()
    operator.locator("#clockbox0 a", has_text="Noon").click()
    expect(operator.locator("#id_expires_at_1")).to_have_value("12:00:00")


def test_autocomplete_finds_and_takes_a_row_under_the_policy(operator: Page) -> None:
    operator.goto("/admin/accounts/apikey/add/")
    operator.locator(".field-project .select2-selection").click()
    operator.locator(".select2-search__field").fill("demo")
    operator.locator(".select2-results__option", has_text="Demo GmbH").first.click()
    expect(operator.locator(".field-project .select2-selection__rendered")).to_contain_text("Demo GmbH")


def test_the_index_has_the_sections_in_the_order_of_an_operators_work(operator: Page) -> None:
    operator.goto("/admin/")
    captions = [caption.strip() for caption in operator.locator("#content-main caption").all_text_contents()]
    assert captions == ["Customers", "Catalogue", "Prices", "Usage", "Audit", "Users"]
    assert operator.title() == "Operations | Hanse admin"
    operator.get_by_role("link", name="Catalogue", exact=True).click()
    expect(operator).to_have_url(re.compile(r"/admin/#catalogue$"))


@pytest.mark.parametrize("dark", [False, True])
def test_the_admin_follows_light_and_dark_and_shares_the_choice_with_the_pages(
    browser: Browser, uvicorn: Server, stack: Stack, dark: bool
) -> None:
    context = browser.new_context(base_url=uvicorn.url, color_scheme="dark" if dark else "light")
    page = context.new_page()
    complaints = watch(page)
    sign_in(page, stack.admin, "/admin/")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == ("rgb(16, 26, 36)" if dark else "rgb(255, 255, 255)")
    page.goto("/")
    toggle = page.get_by_role("button", name=re.compile("^Colours"))
    expect(toggle).to_have_accessible_name("Colours: as the system. Change.")
    toggle.click()
    expect(toggle).to_have_accessible_name("Colours: light. Change.")
    page.goto("/admin/")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    context.close()
    assert complaints == []
