"""`manage.py check` of what this app reads from the settings."""

import re
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

# An end that is neither digit nor letter keeps prefix and public id apart for scanners.
PREFIX = re.compile(r"[a-z][a-z0-9_-]{1,30}[_-]")
MOST_PRINCIPAL_TTL = 30.0
MOST_TOKEN_SECONDS = 24 * 3600


def check_key_settings(app_configs: Any, **kwargs: Any) -> Iterable[CheckMessage]:
    """The prefix of keys, how long they are cached, and the overlap of rotations; how long tokens live."""
    if not PREFIX.fullmatch(settings.API_KEY_PREFIX):
        yield Error(
            "API_KEY_PREFIX must be 3 to 32 small letters, digits, - and _, begin with a letter and end with - or _.",
            hint="For example sk-hanse-. Keys that were issued with another prefix are refused.",
            id="accounts.E001",
        )
    if not 0 <= settings.PRINCIPAL_TTL_SECONDS <= MOST_PRINCIPAL_TTL:
        yield Error(
            f"PRINCIPAL_TTL_SECONDS must be between 0 and {MOST_PRINCIPAL_TTL:.0f}.",
            hint="It bounds how long a change made by another process can go unseen.",
            id="accounts.E002",
        )
    if settings.KEY_ROTATION_OVERLAP_HOURS < 0:
        yield Error("KEY_ROTATION_OVERLAP_HOURS cannot be negative.", id="accounts.E003")
    if not 1 <= settings.TOKEN_MAX_SECONDS <= MOST_TOKEN_SECONDS:
        yield Error(
            f"TOKEN_MAX_SECONDS must be between 1 and {MOST_TOKEN_SECONDS}.",
            hint="Tokens are for an hour or so; what works for longer is an API key.",
            id="accounts.E004",
        )
