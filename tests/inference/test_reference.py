"""The published document as a page."""

import re
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.urls import reverse

from inference.api.openapi.document import document
from inference.dashboard.reference import marked
from inference.dashboard.schema_text import pieces_of


class Page(HTMLParser):
    """What a page links to, loads and names."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Collects."""
        found = {name: value or "" for name, value in attributes}
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found["href"])
        self.loaded += [found[name] for name in ("src", "srcset") if name in found]
        if tag == "link":
            self.loaded.append(found["href"])
        if tag == "style" or (tag == "script" and "src" not in found) or "style" in found:
            self.inline.append(tag)
        self.inline += [name for name in found if name.startswith("on")]


@pytest.fixture(scope="module")
def html() -> str:
    """The page as a stranger gets it."""
    answer = Client().get(reverse("reference"))
    assert answer.status_code == 200
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    return answer.content.decode()


def test_everybody_may_read_it_and_nothing_is_asked_of_the_database() -> None:
    # Without the fixture `db`, any question to the database is an error.
    assert Client().get("/reference/").status_code == 200
    assert Client().post("/reference/").status_code == 405


def test_it_loads_nothing_from_elsewhere_and_runs_nothing_of_its_own(html: str) -> None:
    page = Page(html)
    assert page.loaded
    assert all(address.startswith("/static/") for address in page.loaded)
    assert page.inline == []
    assert all(link.startswith(("#", "/")) for link in page.links)


def test_every_endpoint_type_and_error_is_on_it_once(html: str) -> None:
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))
    described = document()
    operations = [operation for methods in described["paths"].values() for operation in methods.values()]
    assert {operation["operationId"] for operation in operations} <= set(page.ids)
    assert {f"type-{name}" for name in described["components"]["schemas"]} <= set(page.ids)
    assert {f"error-{name[5:]}" for name in described["components"]["responses"]} <= set(page.ids)
    for path in described["paths"]:
        assert f" {path}</span>" in html


def test_every_link_on_it_leads_to_something_on_it(html: str) -> None:
    page = Page(html)
    inner = {link[1:] for link in page.links if link.startswith("#")}
    assert len(inner) > 100
    assert inner <= set(page.ids)


def test_fields_tell_what_they_hold(html: str) -> None:
    row = re.search(r"temperature</span>.*?</tr>", html, re.DOTALL)
    assert row is not None
    assert "number (≥ 0, ≤ 2) or null" in row[0]
    items = {"anyOf": [{"type": "string"}, {"$ref": "#/a/b/Part"}]}
    words = pieces_of({"type": "array", "items": items, "maxItems": 3})
    assert "".join(piece.text for piece in words) == "list of (text or Part) (at most 3 entries)"
    assert [piece.type for piece in words if piece.type] == ["Part"]


def test_code_is_marked_and_everything_is_escaped() -> None:
    assert marked("a < `b` & `<c>`") == "a &lt; <code>b</code> &amp; <code>&lt;c&gt;</code>"
    assert marked("") == ""
