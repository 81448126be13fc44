"""Writes the README's pictures to docs/images: `python tests/browser/screenshots.py`."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

from playwright.sync_api import Page, sync_playwright  # noqa: E402

from tests.browser.people import Visitor  # noqa: E402
from tests.stack import start_stack  # noqa: E402

IMAGES = ROOT / "docs" / "images"
LARGEST = 200_000
# Nothing is asked of a model here.
NO_TRITON = "http://127.0.0.1:9"


def photograph(page: Page, name: str) -> None:
    """The page as at noon, when the morning of the sample is over, whenever the picture is taken."""
    page.locator("time").evaluate("time => { time.textContent = time.textContent.replace(/[0-9]+:[0-9]+/, '12:00'); }")
    page.screenshot(path=IMAGES / f"{name}.png")


def main() -> None:
    """Starts an installation with sample usage, photographs it and ends it."""
    os.environ.update(HANSE_TEST_DATABASE_URL="", HANSE_TEST_REDIS_URL="")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        start_stack(Path(folder), NO_TRITON, servers=("uvicorn",)) as stack,
        sync_playwright() as playwright,
    ):
        stack.manage("shell", "--command", (ROOT / "tests" / "browser" / "sample_usage.py").read_text())
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        url = stack.base_urls["uvicorn"]
        customer, operator = Visitor(browser, url, stack.customer), Visitor(browser, url, stack.admin)
        overview = f"/o/{stack.organization}/"
        photograph(customer.open(overview), "dashboard")
        photograph(customer.open(overview, width=390, dark=True), "dashboard-phone-dark")
        operator.open("/admin/").screenshot(path=IMAGES / "admin.png")
        assert customer.complaints == operator.complaints == []
        browser.close()
    for picture in sorted(IMAGES.glob("*.png")):
        size = picture.stat().st_size
        print(f"{picture.relative_to(ROOT)}: {size} bytes")
        assert size < LARGEST, "Too large for a repository."


if __name__ == "__main__":
    main()
