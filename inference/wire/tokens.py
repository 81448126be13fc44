"""Access tokens as they leave us: the answer of RFC 6749, 5.1, and beside it what the token says."""

import msgspec

from accounts.minting import MintedToken


def token_answer(minted: MintedToken) -> bytes:
    """The JSON body that hands out a token."""
    claims = minted.claims
    return msgspec.json.encode(
        {
            "access_token": minted.text,
            "token_type": "Bearer",
            "expires_in": claims.exp - claims.iat,
            "scope": " ".join(claims.scopes),
            "id": claims.jti,
            "expires_at": claims.exp,
            "models": claims.models or None,
        }
    )
