"""What a token says, written into its text and read from it."""

import re

import jwt
import msgspec
from django.conf import settings
from msgspec import Struct

from accounts.tokens.keyring import ALGORITHM, keyring

# Header, claims, signature. The last of the signature's 86 characters has four bits that mean nothing: without them
# zero, one token would have sixteen texts.
FORM = re.compile(r"[\w-]{1,200}\.[\w-]{1,8000}\.[\w-]{85}[AQgw]", re.ASCII)
REQUIRED = ["iss", "aud", "sub", "org", "jti", "iat", "exp", "scopes", "models", "key_version"]


class InvalidToken(ValueError):
    """A text that is no token of this installation. The text itself is never part of the message."""


class Claims(Struct, frozen=True):
    """What a token says of itself, beside `iss` and `aud`.

    `sub` is the public id of its key, `org` the organization's slug; `iat` and `exp` are unix seconds. `models` empty:
    every model of the key. `key_version` names the key's secret that minted it, `label` is whatever its owner wrote.
    """

    sub: str
    org: str
    jti: str
    iat: int
    exp: int
    scopes: tuple[str, ...]
    models: tuple[str, ...]
    key_version: str
    label: str | None = None


def looks_like_token(text: str) -> bool:
    """Whether `text` can only be a token: no API key has a dot."""
    return "." in text


def write_token(claims: Claims) -> str:
    """The signed text."""
    said = {"iss": settings.TOKEN_ISSUER, "aud": audience(), **msgspec.to_builtins(claims)}
    if claims.label is None:
        del said["label"]
    key = keyring().signing
    return jwt.encode(said, key.private, ALGORITHM, headers={"kid": key.kid})


def read_token(text: str) -> Claims:
    """What the token `text` says. Raises `InvalidToken` unless one of our keys signed just that for this API.

    Whether it is still, or already, good at this moment is not looked at.
    """
    # The key is chosen by the whole header, so that nobody's choice of an algorithm is ever read.
    key = keyring().by_header.get(text.partition(".")[0])
    if key is None or FORM.fullmatch(text) is None:
        raise InvalidToken("Not a token of this installation.")
    try:
        said = jwt.decode(
            text,
            key.public,
            algorithms=[ALGORITHM],
            audience=audience(),
            issuer=settings.TOKEN_ISSUER,
            options={
                "require": REQUIRED,
                "strict_aud": True,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
        return msgspec.convert(said, Claims)
    except (jwt.PyJWTError, msgspec.ValidationError):
        # Neither becomes the cause of what is raised: they quote the text.
        pass
    raise InvalidToken("Not a good token of this installation.")


def audience() -> str:
    """Whom tokens are for: the API's base URL, where the issuer is its address."""
    return f"{settings.TOKEN_ISSUER}/v1"
