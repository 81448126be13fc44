"""API keys as text: how they are made, recognised and digested. `docs/api-keys.md` says the same for scanners.

    sk-hanse-  Ab3dEf6h+Ij9k  <43 characters>  <6 characters>
    prefix     public id      256 random bits  CRC-32 of everything before it

The checksum is GitHub's idea (github.blog, "Behind GitHub's new authentication token formats"): a scanner tells a real
key from a random string without asking anybody. Whoever knows the format can make up keys with a good checksum, but
not with a good public id: its last characters are a seal that takes the server's pepper. So we refuse made-up keys
without asking the database.
"""

import hmac
import re
import secrets
import zlib
from dataclasses import dataclass, field
from functools import lru_cache

from django.conf import settings

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PUBLIC_ID_LENGTH = 12
SEAL_LENGTH = 4  # of those; one of 15 million made-up ids passes
SECRET_BITS = 256
SECRET_LENGTH = 43  # 62 ** 43 is just above 2 ** 256
CHECKSUM_LENGTH = 6  # 62 ** 6 is above 2 ** 32
VERSION_LENGTH = 16  # 95 bits
BODY_LENGTH = PUBLIC_ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH


class MalformedKey(ValueError):
    """A text that cannot be one of our keys. The text itself is never part of the message."""


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A new key. `text` is for its owner's eyes, once; `digest` is all that may be stored."""

    text: str = field(repr=False)
    public_id: str
    digest: bytes = field(repr=False)


def make_key(public_id: str | None = None) -> MintedKey:
    """A key with a new secret, and a new public id unless one is given (a rotation keeps it)."""
    if public_id is None:
        public_id = make_public_id()
    text = compose_key(settings.API_KEY_PREFIX, public_id, secrets.randbits(SECRET_BITS))
    return MintedKey(text=text, public_id=public_id, digest=digest_of(text, settings.API_KEY_PEPPER))


def make_public_id() -> str:
    """A new public id: 47 random bits (so that of a hundred thousand keys no two share one) and their seal."""
    name = "".join(secrets.choice(ALPHABET) for _ in range(PUBLIC_ID_LENGTH - SEAL_LENGTH))
    return name + seal_of(name)


def is_sealed(public_id: str) -> bool:
    """Whether a public id was made with this server's pepper. Nothing is secret about it, or granted by it."""
    return public_id[-SEAL_LENGTH:] == seal_of(public_id[:-SEAL_LENGTH])


def seal_of(name: str) -> str:
    """The end of the public id that begins with `name`."""
    mac = hmac.digest(settings.API_KEY_PEPPER.encode(), b"public id " + name.encode(), "sha256")
    return base62(int.from_bytes(mac[:8]) % 62**SEAL_LENGTH, SEAL_LENGTH)


def compose_key(prefix: str, public_id: str, secret: int) -> str:
    """The text of the key made of these parts; `secret` is a number below 2 ** 256."""
    body = f"{prefix}{public_id}{base62(secret, SECRET_LENGTH)}"
    return body + checksum_of(body)


def parse_key(text: str) -> str:
    """The public id in `text`. Raises `MalformedKey` unless prefix, length, alphabet and checksum are right."""
    prefix = settings.API_KEY_PREFIX
    match = _pattern(prefix).fullmatch(text)
    if match is None:
        raise MalformedKey("Not a key of this installation.")
    if checksum_of(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
        raise MalformedKey("The key's checksum is wrong.")
    return text[len(prefix) : len(prefix) + PUBLIC_ID_LENGTH]


def digest_of(text: str, pepper: str) -> bytes:
    """The 32 bytes that stand for a key in the database and in caches: HMAC-SHA256 with the server's pepper."""
    return hmac.digest(pepper.encode(), text.encode(), "sha256")


def version_of(digest: bytes) -> str:
    """What tokens call the secret that minted them: 16 characters, from which nobody learns its digest."""
    mac = hmac.digest(settings.API_KEY_PEPPER.encode(), b"version " + digest, "sha256")
    return base62(int.from_bytes(mac[:12]) % 62**VERSION_LENGTH, VERSION_LENGTH)


def checksum_of(body: str) -> str:
    """CRC-32 (the one of zip and PNG) of everything before the checksum, in base 62."""
    return base62(zlib.crc32(body.encode()), CHECKSUM_LENGTH)


def base62(number: int, length: int) -> str:
    """`number` in digits, capitals, small letters (in this order), padded with zeros to `length`."""
    digits = []
    while number:
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits)).rjust(length, "0")


def fingerprint(public_id: str) -> str:
    """How a key is named in lists: what everybody may see of it."""
    return f"{settings.API_KEY_PREFIX}{public_id}…"


def mask(text: str) -> str:
    """What an error may show of a text that was sent as a key: two characters at either end of a long one."""
    if len(text) < 20 or not (text.isascii() and text.isprintable()):
        return "**"
    prefix = settings.API_KEY_PREFIX
    start = len(prefix) if text.startswith(prefix) else 0
    return f"{text[: start + 2]}**{text[-2:]}"


def contains_key(text: str) -> bool:
    """Whether something that looks like a key stands in `text`, for example a name that somebody pasted one into."""
    return _pattern(settings.API_KEY_PREFIX).search(text) is not None


@lru_cache(maxsize=8)
def _pattern(prefix: str) -> re.Pattern[str]:
    return re.compile(re.escape(prefix) + rf"[0-9A-Za-z]{{{BODY_LENGTH}}}")
