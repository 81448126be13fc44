"""What a reverse proxy says of a request counts only when it comes from one."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.utils.decorators import sync_and_async_middleware

from accounts.client_address import from_trusted_proxy, trusted_proxies


@sync_and_async_middleware
def forwarded_proto_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Takes `X-Forwarded-Proto` off a request whose peer is no trusted proxy.

    `SECURE_PROXY_SSL_HEADER` believes the header whoever sent it (Django's documentation: strip it from clients).
    """
    trusted = trusted_proxies()

    def strip(request: HttpRequest) -> None:
        if not from_trusted_proxy(request, trusted):
            request.META.pop("HTTP_X_FORWARDED_PROTO", None)

    if iscoroutinefunction(get_response):

        async def answer(request: HttpRequest) -> Any:
            strip(request)
            return await get_response(request)

        return answer

    def answer_sync(request: HttpRequest) -> Any:
        strip(request)
        return get_response(request)

    return answer_sync
