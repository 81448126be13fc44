"""Telling a person at a page that other processes have not heard of a change."""

import time
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.utils.decorators import sync_and_async_middleware

from accounts.announcements import lost_since

WARNING = "Redis does not answer. Other web processes may go on as before for up to {:.0f} seconds."


@sync_and_async_middleware
def unheard_change_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Warns after a request whose change could not be announced; the change itself is made."""
    if iscoroutinefunction(get_response):

        async def answer(request: HttpRequest) -> Any:
            begin = time.monotonic()
            response = await get_response(request)
            warn(request, begin)
            return response

        return answer

    def answer_sync(request: HttpRequest) -> Any:
        begin = time.monotonic()
        response = get_response(request)
        warn(request, begin)
        return response

    return answer_sync


def warn(request: HttpRequest, begin: float) -> None:
    """Leaves a message for the next page where an announcement was lost after `begin` (`time.monotonic`)."""
    if request.method == "POST" and lost_since(begin):
        messages.warning(request, WARNING.format(settings.PRINCIPAL_TTL_SECONDS))
