"""Secrets of engines rest encrypted with a key derived from SECRET_KEY."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings


class BackendSecretUnreadable(Exception):
    """SECRET_KEY is not the one under which the secret was saved; it must be entered again."""


def _fernet() -> Fernet:
    key = hashlib.sha256(b"hanse backend secrets\0" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def seal(value: str) -> str:
    """`value` as it is stored; empty stays empty."""
    return _fernet().encrypt(value.encode()).decode() if value else ""


def unseal(stored: str) -> str:
    """The value of what `seal` gave; raises `BackendSecretUnreadable`."""
    if not stored:
        return ""
    try:
        return _fernet().decrypt(stored.encode()).decode()
    except InvalidToken:
        raise BackendSecretUnreadable("The engine's secret cannot be read with this SECRET_KEY.") from None
