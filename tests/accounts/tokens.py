"""Tokens of a key, and texts that want to pass for one."""

import base64
import json
import time
from typing import Any

import jwt

from accounts.minting import mint_token
from accounts.principals import PrincipalCache, principals
from accounts.tokens import keyring
from accounts.tokens.claims import audience
from tests.accounts.asking import get


def mint(key_text: str, cache: PrincipalCache = principals, **wishes: Any) -> str:
    """A token of a key."""
    return mint_token(principal=get(key_text, cache), **wishes).text


def said_by(token: str) -> dict[str, Any]:
    """What a token says, believed as it stands."""
    return jwt.decode(token, options={"verify_signature": False})


def signed(claims: dict[str, Any], **headers: Any) -> str:
    """A token with our own signature, whatever it says."""
    signing = keyring().signing
    return jwt.encode(claims, signing.private, "EdDSA", headers={"kid": signing.kid, **headers})


def good_claims(**changes: Any) -> dict[str, Any]:
    """Those of a token that can be read; None leaves one out."""
    now = int(time.time())
    claims = {
        "iss": "hanse",
        "aud": audience(),
        "sub": "9A3sgE2VJM0d",
        "org": "reeder",
        "jti": "0",
        "iat": now,
        "exp": now + 60,
        "scopes": ["chat"],
        "models": [],
        "key_version": "x" * 16,
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def part(value: Any) -> str:
    """A header or claims as they stand in a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
