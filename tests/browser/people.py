"""Visitors of the pages."""

from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.watch import watch


def sign_in(page: Page, login: tuple[str, str], address: str = "/") -> None:
    """Goes to `address`, signs in on the way, and arrives there."""
    page.goto(address)
    page.get_by_label("E-mail address").fill(login[0])
    page.get_by_label("Password").fill(login[1])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/login/" not in url)


@dataclass
class Visitor:
    """A person with browsers of several kinds."""

    browser: Browser
    url: str
    login: tuple[str, str] = field(repr=False)
    complaints: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def open(self, address: str = "/", *, width: int = 1200, dark: bool = False) -> Page:
        """A signed-in page of `width` pixels at `address`."""
        context = self.browser.new_context(
            base_url=self.url,
            viewport={"width": width, "height": 850},
            color_scheme="dark" if dark else "light",
            permissions=["clipboard-read", "clipboard-write"],
        )
        self.contexts.append(context)
        page = context.new_page()
        watch(page, self.complaints)
        sign_in(page, self.login, address)
        return page

    def leave(self) -> None:
        """Closes everything."""
        for context in self.contexts:
            context.close()
