"""The keys that sign tokens: Ed25519 (RFC 8037), made of this installation's secrets, so that nothing is stored."""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings

ALGORITHM = "EdDSA"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair. `kid` is the thumbprint of the public key (RFC 7638); `header` is how each of its tokens begins."""

    kid: str
    header: str
    private: Ed25519PrivateKey = field(repr=False)
    public: Ed25519PublicKey

    def jwk(self) -> dict[str, str]:
        """The public key as RFC 8037 writes it."""
        return {**_public_jwk(self.public), "kid": self.kid, "use": "sig", "alg": ALGORITHM}


@dataclass(frozen=True, slots=True)
class Keyring:
    """The key that signs, and by the beginning of their tokens all that are believed: it, and those given beside it."""

    signing: SigningKey
    by_header: dict[str, SigningKey]

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JSON Web Key Set (RFC 7517), the one that signs first."""
        return {"keys": [key.jwk() for key in self.by_header.values()]}


def keyring() -> Keyring:
    """This installation's."""
    return make_keyring(settings.TOKEN_SIGNING_KEY, tuple(settings.TOKEN_SIGNING_KEY_FALLBACKS))


@lru_cache(maxsize=4)
def make_keyring(signing: str, others: tuple[str, ...]) -> Keyring:
    """The keyring made of these secrets; those of `others` are believed and do not sign."""
    keys = [signing_key(secret) for secret in (signing, *others)]
    return Keyring(signing=keys[0], by_header={key.header: key for key in keys})


def signing_key(secret: str) -> SigningKey:
    """The key pair of a secret text."""
    private = Ed25519PrivateKey.from_private_bytes(hmac.digest(secret.encode(), b"access tokens, Ed25519", "sha256"))
    public = private.public_key()
    kid = _thumbprint(public)
    # As the library writes it: whatever begins otherwise was not written by us, and is not even parsed.
    header = jwt.encode({}, private, ALGORITHM, headers={"kid": kid}).partition(".")[0]
    return SigningKey(kid=kid, header=header, private=private, public=public)


def _public_jwk(public: Ed25519PublicKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": base64url(public.public_bytes_raw())}


def _thumbprint(public: Ed25519PublicKey) -> str:
    members = ",".join(f'"{name}":"{value}"' for name, value in _public_jwk(public).items())
    return base64url(hashlib.sha256(f"{{{members}}}".encode()).digest())


def base64url(data: bytes) -> str:
    """Without padding, as JSON Web Keys and tokens have it (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
