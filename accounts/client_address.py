"""Who is at the other end: the client's address behind trusted proxies."""

from collections.abc import Sequence

from django.conf import settings
from django.http import HttpRequest

from accounts.networks import Network, parse_address, parse_network


def trusted_proxies() -> tuple[Network, ...]:
    """The ranges of `TRUSTED_PROXIES`. Raises `ValueError` for a text that is none."""
    return tuple(parse_network(text) for text in settings.TRUSTED_PROXIES)


def client_address(request: HttpRequest, trusted: Sequence[Network]) -> str:
    """The address of the client of `request`; empty for a peer without one (a UNIX socket).

    `X-Forwarded-For` is read from the right for as long as the hop is a trusted proxy: what stands further left was
    written by somebody whom nobody vouches for.
    """
    address: str = request.META.get("REMOTE_ADDR") or ""
    if not from_trusted_proxy(request, trusted):
        return address
    hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
    while hops and is_trusted_proxy(address, trusted):
        address = hops.pop()
    return address


def from_trusted_proxy(request: HttpRequest, trusted: Sequence[Network]) -> bool:
    """Whether the peer of `request` is a trusted proxy; one without an address (a UNIX socket) is none."""
    return is_trusted_proxy(request.META.get("REMOTE_ADDR") or "", trusted)


def is_trusted_proxy(address: str, trusted: Sequence[Network]) -> bool:
    """Whether `address` is in one of the ranges; an empty one is not."""
    parsed = parse_address(address) if trusted else None
    return parsed is not None and any(parsed in network for network in trusted)
