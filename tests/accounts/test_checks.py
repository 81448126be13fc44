"""`manage.py check` of the key settings."""

from typing import Any

import pytest
from django.core.checks import run_checks

from accounts.checks import check_key_settings


def found() -> list[str | None]:
    """The ids of what is wrong."""
    return [message.id for message in check_key_settings(None)]


def test_the_defaults_are_good() -> None:
    assert found() == []


@pytest.mark.parametrize("prefix", ["", "sk", "SK-hanse-", "sk-hanse", "sk hanse-", "9k-", "sk-" + "x" * 40 + "-"])
def test_a_prefix_that_scanners_would_miss_is_named(settings: Any, prefix: str) -> None:
    settings.API_KEY_PREFIX = prefix
    assert found() == ["accounts.E001"]


@pytest.mark.parametrize("prefix", ["sk-kontor-", "hanse_", "a1-"])
def test_other_prefixes_are_good(settings: Any, prefix: str) -> None:
    settings.API_KEY_PREFIX = prefix
    assert found() == []


@pytest.mark.parametrize("seconds", [-1, 30.5])
def test_a_cache_that_forgets_too_late_is_named(settings: Any, seconds: float) -> None:
    settings.PRINCIPAL_TTL_SECONDS = seconds
    assert found() == ["accounts.E002"]


def test_a_negative_overlap_is_named_by_manage_check(settings: Any) -> None:
    settings.KEY_ROTATION_OVERLAP_HOURS = -1
    assert "accounts.E003" in [message.id for message in run_checks(tags=["security"])]


@pytest.mark.parametrize("seconds", [0, -1, 86_401])
def test_tokens_that_live_for_no_time_or_for_days_are_named(settings: Any, seconds: int) -> None:
    settings.TOKEN_MAX_SECONDS = seconds
    assert found() == ["accounts.E004"]
