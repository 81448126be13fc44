"""A brake on guessing passwords, counted in Django's cache."""

import contextlib
import hashlib
from ipaddress import IPv6Address, ip_network

from django.core.cache import cache

from accounts.networks import parse_address

WINDOW_SECONDS = 15 * 60
ATTEMPTS_PER_PERSON = 10
"""Sign-ins of one e-mail address from one network address within the window."""
ATTEMPTS_PER_ADDRESS = 100
"""Sign-ins from one network address, whoever is asked for: an office shares one, a password sprayer too."""


def _bucket(address: str) -> str:
    """One machine has a whole IPv6 /64 to itself: it counts as one."""
    parsed = parse_address(address)
    if parsed is None:
        return address
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)


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
