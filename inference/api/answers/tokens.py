"""The answers below `/v1/auth` and beside it."""

from typing import Literal

from msgspec import Struct


class AccessToken(Struct):
    """A token, as OAuth 2.0 hands it out (RFC 6749, 5.1)."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str
    id: str
    expires_at: int
    models: list[str] | None


class JsonWebKey(Struct):
    """A public key (RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str
    use: Literal["sig"]
    alg: Literal["EdDSA"]


class JsonWebKeySet(Struct):
    """The keys that access tokens are checked with (RFC 7517)."""

    keys: list[JsonWebKey]
