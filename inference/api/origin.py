"""Under which address this installation is reached."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost

from accounts.client_address import is_trusted_proxy
from accounts.networks import Network
from inference.errors import InvalidRequest


def public_origin(request: Any, trusted: Sequence[Network]) -> str:
    """`PUBLIC_URL`; without one, scheme and host of this request, as a trusted proxy says where one sent it.

    `request` is Django's ASGI request. Raises `InvalidRequest` for a host that is not in `ALLOWED_HOSTS`.
    """
    if settings.PUBLIC_URL:
        return settings.PUBLIC_URL
    try:
        host = request.get_host()
    except DisallowedHost:
        message = "This server does not answer under the name in the Host header."
        raise InvalidRequest(message, code="invalid_host") from None
    # The request's own REMOTE_ADDR is the client behind the proxies.
    peer, *_ = request.scope.get("client") or ("",)
    scheme = request.scheme if is_trusted_proxy(peer, trusted) else request.scope.get("scheme", "http")
    return f"{scheme}://{host}"
