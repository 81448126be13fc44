"""`Authorization: Bearer <key or token>` for the `/v1` API."""

from typing import Any

from rest_framework.authentication import BaseAuthentication

from accounts import last_used
from accounts.errors import KeyRefused
from accounts.principals import Principal, principals


class ApiKeyAuthentication(BaseAuthentication):
    """Tells who calls by the API key, or a token of it, and whether the call may come from where it comes.

    The base view of `/v1` awaits `authenticate`; DRF's own views, which do not, cannot use this class.
    """

    async def authenticate(self, request: Any) -> tuple[Principal, None]:  # type: ignore[override]
        """The principal. Raises `KeyRefused`, `NotPermitted` or `KeysUnavailable`.

        `request.META["REMOTE_ADDR"]` must already be the client behind the trusted proxies.
        """
        # Once: DRF's request looks for what it lacks in Django's, which takes a while.
        meta = request.META
        principal = await principals.get(bearer_token(meta.get("HTTP_AUTHORIZATION", "")))
        principal.check_address(meta.get("REMOTE_ADDR", ""))
        last_used.note(principal.key_id)
        return principal, None

    def authenticate_header(self, request: Any) -> str:
        """The challenge of a 401."""
        return "Bearer"


def bearer_token(header: str) -> str:
    """The key or token in an Authorization header. Raises `KeyRefused` where there is none."""
    scheme, _, token = header.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise KeyRefused(
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer"
            " auth (i.e. Authorization: Bearer YOUR_KEY).",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return token
