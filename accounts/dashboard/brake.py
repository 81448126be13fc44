"""A brake on guessing passwords, counted in Django's cache."""

import contextlib
import hashlib
from ipaddress import IPv6Address, ip_network

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

from accounts.networks import client_address, parse_network

WINDOW_SECONDS = 15 * 60
ATTEMPTS_PER_PERSON = 10
"""Sign-ins of one e-mail address from one network address within the window."""
ATTEMPTS_PER_ADDRESS = 100
"""Sign-ins from one network address, whoever is asked for: an office shares one, a password sprayer too."""


def browser_address(request: HttpRequest) -> str:
    """The address of the browser: the peer's, or what the nearest untrusted hop of `X-Forwarded-For` was.

    The header is believed only as far as it was written by TRUSTED_PROXIES, read from the right. Empty for a peer
    without an address (a UNIX socket).
    """
    trusted = [parse_network(text) for text in settings.TRUSTED_PROXIES]
    address = client_address(request.META.get("REMOTE_ADDR") or "")
    hops = [hop for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    while hops and address is not None and any(address in network for network in trusted):
        address = client_address(hops.pop())
    return "" if address is None else str(address)


def _bucket(address: str) -> str:
    """One machine has a whole IPv6 /64 to itself: it counts as one."""
    parsed = client_address(address)
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else address


def _name(*parts: str) -> str:
    """A cache key that is short and shows neither address."""
    return "sign-in:" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def _counters(address: str, email: str) -> dict[str, int]:
    bucket = _bucket(address)
    return {_name(bucket, email.strip().lower()): ATTEMPTS_PER_PERSON, _name(bucket): ATTEMPTS_PER_ADDRESS}


def take_attempt(*, address: str, email: str) -> bool:
    """Counts one attempt before the password is looked at; False where there were too many.

    Counting first means that attempts sent at once cannot all slip below the limit.
    """
    allowed = True
    for name, limit in _counters(address, email).items():
        cache.add(name, 0, WINDOW_SECONDS)
        try:
            count = cache.incr(name)
        except ValueError:  # The window ended between the two calls.
            cache.set(name, 1, WINDOW_SECONDS)
            count = 1
        allowed = allowed and count <= limit
    return allowed


def forgive(*, address: str, email: str) -> None:
    """The person signed in: none of their own attempts counts any longer, and this one not for the address."""
    bucket = _bucket(address)
    cache.delete(_name(bucket, email.strip().lower()))
    with contextlib.suppress(ValueError):  # The window ended meanwhile.
        cache.decr(_name(bucket))
