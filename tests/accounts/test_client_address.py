"""The client's address cannot be forged past a trusted proxy."""

import io

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.test import RequestFactory

from accounts.client_address import client_address, trusted_proxies
from accounts.networks import parse_network

PROXIES = (parse_network("10.0.0.0/8"), parse_network("2001:db8::/32"))


def request(peer: str | None, *forwarded: str) -> ASGIRequest:
    """A request whose connection `peer` made, with a header for each of `forwarded`."""
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    client = None if peer is None else (peer, 1234)
    return ASGIRequest({"method": "GET", "path": "/", "client": client, "headers": headers}, io.BytesIO())


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.66, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.66, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.66", "198.51.100.1"], "198.51.100.1"),
        ("2001:db8::1", ["2001:470::5"], "2001:470::5"),
        ("::ffff:10.0.0.1", ["198.51.100.1, ::ffff:10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["not an address"], "not an address"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [", ,"], "10.0.0.1"),
        (None, ["198.51.100.1"], ""),
    ],
)
def test_the_address_behind_trusted_proxies(peer: str | None, forwarded: list[str], expected: str) -> None:
    assert client_address(request(peer, *forwarded), PROXIES) == expected


def test_without_trusted_proxies_the_header_is_ignored() -> None:
    assert client_address(request("10.0.0.1", "198.51.100.1"), ()) == "10.0.0.1"


def test_a_header_that_only_looks_like_it_is_ignored() -> None:
    asked = request("10.0.0.1", "198.51.100.1")
    asked.scope["headers"].append((b"x_forwarded_for", b"192.0.2.66"))
    assert client_address(ASGIRequest(asked.scope, io.BytesIO()), PROXIES) == "198.51.100.1"


def test_a_page_and_the_api_see_the_same_client(settings) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    page = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR="192.0.2.66, 198.51.100.1")
    api = request("10.0.0.1", "192.0.2.66", "198.51.100.1")
    assert client_address(page, trusted_proxies()) == client_address(api, trusted_proxies()) == "198.51.100.1"
