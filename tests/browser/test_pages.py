"""A customer's pages in a browser: on a screen and on a phone, light and dark, with keyboard and copy buttons."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.people import Visitor
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.live]

PAGES = ["/o/{}/", "/o/{}/keys/", "/o/{}/keys/issue/", "/password/"]
DESKTOP, PHONE = 1200, 390

# Text against what lies behind it, by WCAG 2.2: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
WEAK_TEXT = """
() => {
  const channels = (color) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([red, green, blue]) => {
    const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  };
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = channels(getComputedStyle(one).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const weak = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3 && node.textContent.trim());
    if (!text.length || !element.checkVisibility() || element.closest(".visually-hidden, .skip")) continue;
    const style = getComputedStyle(element);
    const front = luminance(channels(element instanceof SVGElement ? style.fill : style.color));
    const back = luminance(ground(element));
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (ratio < 4.5) weak.push(`${element.tagName} ${text[0].textContent.trim()}: ${ratio.toFixed(2)}`);
  }
  return weak;
}
"""


@pytest.fixture(scope="module", autouse=True)
def usage(stack: Stack) -> None:
    """Some usage today, so that charts and tables have something to show."""
    stack.manage("shell", "--command", (Path(__file__).parent / "sample_usage.py").read_text())


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("dark", [False, True])
def test_pages_fit_the_screen_and_are_readable(
    customer: Visitor, stack: Stack, tmp_path: Path, width: int, dark: bool
) -> None:
    page = customer.open(f"/o/{stack.organization}/", width=width, dark=dark)
    for number, path in enumerate(PAGES):
        page.goto(path.format(stack.organization))
        page.screenshot(path=tmp_path / f"{number}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") == width, path
        assert page.evaluate(WEAK_TEXT) == [], path


@pytest.mark.parametrize(("width", "dark"), [(DESKTOP, True), (PHONE, False)])
def test_the_reference_fits_the_screen_and_is_readable(customer: Visitor, stack: Stack, width: int, dark: bool) -> None:
    page = customer.open(f"/o/{stack.organization}/", width=width, dark=dark)
    page.get_by_role("link", name="API reference").click()
    expect(page.get_by_role("heading", name="API reference")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    # Of a hundred sections some are enough: they look alike, and measuring takes a while.
    page.evaluate("document.querySelectorAll('main > section:not(:nth-of-type(9n))').forEach((one) => one.remove())")
    assert page.locator("main > section").count() > 5
    assert page.evaluate(WEAK_TEXT) == []


def test_the_measure_of_contrast_finds_weak_text(customer: Visitor) -> None:
    page = customer.open()
    page.evaluate("document.querySelector('h1').style.color = '#999999'")
    assert [weak.split(" ")[0] for weak in page.evaluate(WEAK_TEXT)] == ["H1"]


def test_everything_is_reached_by_keyboard_and_shows_where_one_is(customer: Visitor, stack: Stack) -> None:
    page = customer.open(f"/o/{stack.organization}/keys/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to content")).to_be_in_viewport()
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        tag, name, ring = page.evaluate(
            "(({ tagName, textContent }, style) => [tagName, textContent.trim(), style.outlineStyle])"
            "(document.activeElement, getComputedStyle(document.activeElement))"
        )
        if tag == "BODY":  # round once
            break
        reached.add(name)
        assert ring == "solid", name
    assert {"Overview", "API keys", "Issue a key"} <= reached


def test_the_account_menu_opens_and_closes_and_signs_out(customer: Visitor) -> None:
    page = customer.open()
    summary = page.locator(".menu-end > summary")
    summary.click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(summary).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/login/$"))


def test_base_url_and_example_are_copied(customer: Visitor, stack: Stack) -> None:
    page = customer.open(f"/o/{stack.organization}/")
    for button, source in ((0, "#base-url"), (1, "#curl")):
        page.get_by_role("button", name="Copy").nth(button).click()
        expect(page.get_by_role("button", name="Copied")).to_have_count(1)
        assert copied(page) == page.locator(source).inner_text()
        expect(page.get_by_role("button", name="Copied")).to_have_count(0)
    assert copied(page).startswith(f"curl {customer.url}/v1/chat/completions")


def copied(page: Page) -> str:
    """What lies on the clipboard."""
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def test_a_member_issues_copies_and_revokes_a_key(customer: Visitor, stack: Stack) -> None:
    page = customer.open(f"/o/{stack.organization}/keys/")
    page.get_by_role("link", name="Issue a key").click()
    page.get_by_role("button", name="Issue the key").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_accessible_description(re.compile("This field is required"))
    page.get_by_label("Name").fill("browser")
    page.get_by_label("demo-chat", exact=True).check()
    page.get_by_role("button", name="Issue the key").click()
    expect(page.get_by_role("heading", name="The key “browser” is ready")).to_be_visible()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    key = copied(page)
    assert key == page.locator("#new-key").inner_text()
    page.get_by_role("link", name="I have copied it").click()
    row = page.locator("tr", has_text="browser")
    expect(row).to_contain_text("active")
    expect(page.locator("body")).not_to_contain_text(key)
    row.get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke the key").click()
    expect(page.get_by_role("status").filter(has_text="is revoked")).to_be_visible()
    expect(page.locator("tr", has_text="browser")).to_contain_text("revoked")
