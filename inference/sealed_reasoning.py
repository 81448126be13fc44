"""What a model thought, sealed for the client to keep: nothing is stored here, and the next turn can go on from it.

A token is URL-safe base64 of a version, the time of its expiry, a nonce, and the thoughts under AES-256-GCM. The key
is derived from SECRET_KEY for one organization and one model (HKDF-SHA256), so that no other can open it, and no key
seals as much as would wear out its random nonces. After a change of SECRET_KEY, what was sealed before is opened with
SECRET_KEY_FALLBACKS; without them it is lost, which costs a model its earlier thoughts and nobody an error.
"""

import base64
import binascii
import os
import time
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

VERSION = b"\x01"
# Longer than any conversation is worth going on with, short enough that a leaked history turns useless.
LIFETIME_SECONDS = 30 * 86_400
_EXPIRY_BYTES = 8
_NONCE_BYTES = 12
_HEAD_BYTES = len(VERSION) + _EXPIRY_BYTES


@lru_cache(maxsize=1024)
def _cipher(secret: str, organization_id: int, model_id: str) -> AESGCM:
    info = b"hanse sealed reasoning\0%d\0%b" % (organization_id, model_id.encode())
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret.encode()))


def seal_reasoning(text: str, *, organization_id: int, model_id: str) -> str:
    """`text`, which has no lone surrogates, for this organization and model to be opened within `LIFETIME_SECONDS`."""
    head = VERSION + (int(time.time()) + LIFETIME_SECONDS).to_bytes(_EXPIRY_BYTES)
    nonce = os.urandom(_NONCE_BYTES)
    sealed = _cipher(settings.SECRET_KEY, organization_id, model_id).encrypt(nonce, text.encode(), head)
    return base64.urlsafe_b64encode(head + nonce + sealed).decode()


def open_reasoning(token: str, *, organization_id: int, model_id: str) -> str | None:
    """What `seal_reasoning` sealed for the same organization and model; None for anything else, and after its time."""
    try:
        data = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    head, nonce, sealed = data[:_HEAD_BYTES], data[_HEAD_BYTES:][:_NONCE_BYTES], data[_HEAD_BYTES + _NONCE_BYTES :]
    if head[:1] != VERSION or int.from_bytes(head[1:]) < time.time():
        return None
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return _cipher(secret, organization_id, model_id).decrypt(nonce, sealed, head).decode()
        # ValueError: a nonce cut short.
        except (InvalidTag, ValueError):
            continue
    return None
