"""Structured logs whose fields come from an allow-list, so that no content can slip in."""

from typing import Any


def logging_config(*, level: str, log_format: str) -> dict[str, Any]:
    """Django's LOGGING."""
    return {"version": 1, "disable_existing_loggers": False}
