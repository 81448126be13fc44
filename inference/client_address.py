"""Who is at the other end: the client's address behind trusted proxies."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from django.conf import settings

Network = IPv4Network | IPv6Network


def trusted_networks() -> tuple[Network, ...]:
    """The CIDR ranges of `TRUSTED_PROXIES`."""
    return tuple(ip_network(proxy, strict=False) for proxy in settings.TRUSTED_PROXIES)


def client_address(scope: dict[str, Any], trusted: Sequence[Network]) -> str:
    """The address of the client of an ASGI `scope`.

    `X-Forwarded-For` is read from the right for as long as the hop is a trusted proxy: what stands further left was
    written by somebody whom nobody vouches for.
    """
    client = scope.get("client")
    address = client[0] if client else ""
    if not trusted:
        return address
    hops = [
        hop.strip()
        for name, value in scope["headers"]
        if name == b"x-forwarded-for"
        for hop in value.decode("latin1").split(",")
    ]
    while hops and _is_trusted(address, trusted):
        address = hops.pop()
    return address


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)
