"""`manage.py check --deploy`: what is missing or weak in the settings of an installation that serves customers."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error

SECRETS = ("SECRET_KEY", "API_KEY_PEPPER", "TOKEN_SIGNING_KEY")
SECRET_LENGTH = 40
# Of the text as a whole: 50 random characters of URL-safe base64 have about 240, "changeme" repeated has far less.
SECRET_BITS = 128


def check_secrets(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Long, random, and not the same one twice."""
    found: list[CheckMessage] = []
    given = [(name, getattr(settings, name)) for name in SECRETS]
    given += [("TOKEN_SIGNING_KEY_FALLBACKS", value) for value in settings.TOKEN_SIGNING_KEY_FALLBACKS]
    for name, value in given:
        if len(value) < SECRET_LENGTH or entropy_bits(value) < SECRET_BITS:
            found.append(
                Error(
                    f"{name} is weak.",
                    hint='Make one with: python -c "import secrets; print(secrets.token_urlsafe(48))"',
                    id="hanse.E001",
                )
            )
    for (one, first), (other, second) in combinations(given, 2):
        if first == second:
            found.append(Error(f"{one} and {other} are the same.", hint="Make one for each.", id="hanse.E002"))
    return found


def check_addresses(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The names under which customers reach this installation."""
    found: list[CheckMessage] = []
    hosts = settings.ALLOWED_HOSTS
    if not hosts or "*" in hosts:
        found.append(Error("ALLOWED_HOSTS is empty or allows every name.", hint="List your names.", id="hanse.E003"))
    if not settings.PUBLIC_URL:
        found.append(Error("PUBLIC_URL is not set.", hint="For example https://ai.example.eu.", id="hanse.E004"))
        return found
    public = urlsplit(settings.PUBLIC_URL)
    if public.scheme != "https":
        found.append(Error("PUBLIC_URL is not https.", hint="API keys travel in every request.", id="hanse.E005"))
    if public.hostname and hosts and not any(matches(public.hostname, host) for host in hosts):
        found.append(Error("ALLOWED_HOSTS lacks the name in PUBLIC_URL.", id="hanse.E006"))
    return found


def check_storage(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The engines that several processes share."""
    found: list[CheckMessage] = []
    if settings.DEBUG:
        found.append(Error("DEBUG is on.", hint="Its error pages show requests and settings.", id="hanse.E007"))
    if settings.EMBEDDED:
        found.append(
            checks.Warning(
                "DATABASE_URL is not set: SQLite under VAR_DIR serves one machine.",
                hint="Set DATABASE_URL=postgres://…, and with it SECRET_KEY, API_KEY_PEPPER and TOKEN_SIGNING_KEY.",
                id="hanse.W001",
            )
        )
    elif not settings.REDIS_URL:
        found.append(
            checks.Warning(
                "REDIS_URL is not set: each web process counts and caches for itself, and Celery queues under VAR_DIR.",
                hint="Set REDIS_URL=redis://… when more than one web process runs.",
                id="hanse.W002",
            )
        )
    return found


def entropy_bits(text: str) -> float:
    """Shannon's entropy of `text` by the frequency of its characters, in bits for the whole of it."""
    return -sum(count * math.log2(count / len(text)) for count in Counter(text).values())


def matches(name: str, allowed: str) -> bool:
    """Whether `name` is one that Django's ALLOWED_HOSTS entry `allowed` lets in."""
    return name == allowed or (allowed.startswith(".") and (name.endswith(allowed) or name == allowed[1:]))


DEPLOY_CHECKS = (check_secrets, check_addresses, check_storage)
