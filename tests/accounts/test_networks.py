"""Addresses and allow-lists."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.networks import parse_address, parse_network


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        (" 192.0.2.7 ", "192.0.2.7/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
    ],
)
def test_a_range_is_kept_in_its_usual_writing(written: str, meant: str) -> None:
    assert str(parse_network(written)) == meant


@pytest.mark.parametrize(
    "written", ["", "office", "192.0.2.256", "192.0.2.0/33", "192.0.2.0-192.0.2.9", "1.2.3.0/24/8"]
)
def test_what_is_no_range_is_refused_by_name(written: str) -> None:
    with pytest.raises(ValueError, match="is no IP address or CIDR range"):
        parse_network(written)


def test_an_address_inside_a_range_is_refused_with_both_ways_out() -> None:
    with pytest.raises(ValueError, match=r"write 10\.0\.0\.0/8 for the range, or 10\.0\.0\.5 for it alone"):
        parse_network("10.0.0.5/8")


@pytest.mark.parametrize(
    ("reported", "plain"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
    ],
)
def test_a_client_is_recognised_in_every_writing(reported: str, plain: str) -> None:
    assert str(parse_address(reported)) == plain


@pytest.mark.parametrize("reported", ["", "unix:", "localhost", "192.0.2.1:443"])
def test_what_is_no_address_is_none(reported: str) -> None:
    assert parse_address(reported) is None


@given(st.ip_addresses())
def test_every_address_is_in_its_own_range(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert parse_address(str(address)) in parse_network(str(address))
