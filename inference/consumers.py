"""The Channels consumer behind `/v1`: reads a request, awaits its DRF view and sends what it answers."""

import asyncio
import io
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
import uuid_utils.compat as uuids
from channels.generic.http import AsyncHttpConsumer
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.urls import Resolver404, ResolverMatch, resolve

from accounts.authentication import ApiKeyAuthentication
from accounts.client_address import client_address, trusted_proxies
from accounts.errors import ApiError
from inference.api.base import JsonRenderer, Result
from inference.errors import shutting_down
from inference.lifecycle import ensure_running, requests_underway
from inference.meter import clients_gone
from inference.pipeline import EVENT_STREAM, Answer, arrive
from inference.request_body import ClientGone, Receive, read_body, read_for_nobody
from inference.routes import ROUTES, unknown_route
from inference.wire.errors import error_body, error_frame, from_exception
from inference.wire.sse import KEEP_ALIVE

log = structlog.get_logger(__name__)

# A request that is answered by then never pays for the task that waits for its client to hang up.
WATCH_AFTER_SECONDS = 0.05

Headers = list[tuple[bytes, bytes]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

routes: dict[str, ResolverMatch] = {}


def forget_frames(*exceptions: BaseException | None) -> None:
    """Parts exceptions from the frames that they went through, where variables hold them in turn.

    Such cycles, with the request in them, would wait for the garbage collector.
    """
    for exception in exceptions:
        while exception is not None:
            behind = exception.__cause__ or exception.__context__
            exception.__traceback__ = exception.__cause__ = exception.__context__ = None
            exception = behind


class ApiConsumer(AsyncHttpConsumer):
    """One request.

    Channels' own dispatch makes a task for every `receive` and does not look for a disconnect while `handle` runs;
    here one task waits for the disconnect and cancels the request, which closes the call to the engine.
    """

    trusted_proxies = trusted_proxies()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        self.begin(scope, send)
        ensure_running()
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        watcher: asyncio.TimerHandle | None = None
        try:
            body = await read_body(receive, self.check_key)
            requests_underway.add(task)
            watcher = task.get_loop().call_later(WATCH_AFTER_SECONDS, self.start_watching, receive, task)
            await self.handle(body)
        except ClientGone:
            return
        except ApiError as error:
            await self.refuse(error, receive)
        except asyncio.CancelledError:
            if task.uncancel() > 0:
                raise
            if not self.gone:
                await self.send_error(shutting_down())
        finally:
            requests_underway.discard(task)
            if watcher is not None:
                watcher.cancel()
            if self.watcher is not None:
                self.watcher.cancel()

    def begin(self, scope: Any, send: Send) -> None:
        """What a request starts with."""
        self.scope = scope
        self.base_send = send
        self.arrival = arrive(uuids.uuid7())
        self.organization: str | None = None
        self.started = self.gone = False
        self.keepalive: asyncio.TimerHandle | None = None
        self.comment: asyncio.Task[None] | None = None
        self.watcher: asyncio.Task[None] | None = None

    async def check_key(self) -> None:
        """Raises what the view would raise for a key that is refused."""
        await ApiKeyAuthentication().authenticate(self.request(b""))

    async def refuse(self, error: ApiError, receive: Receive) -> None:
        """Answers with an error before the body is there; the connection ends with it."""
        body = error_body(error)
        headers = self.headers("application/json", {**error.headers, "connection": "close"})
        headers.append((b"content-length", str(len(body)).encode()))
        await self.base_send({"type": "http.response.start", "status": error.status, "headers": headers})
        shown = b"" if self.scope["method"] == "HEAD" else body
        await self.base_send({"type": "http.response.body", "body": shown, "more_body": True})
        await read_for_nobody(receive)
        await self.base_send({"type": "http.response.body", "body": b"", "more_body": False})

    def start_watching(self, receive: Receive, task: "asyncio.Task[Any]") -> None:
        """From here on, a client that hangs up, or has hung up before, is noticed at once."""
        self.watcher = task.get_loop().create_task(self.watch(receive, task))

    async def watch(self, receive: Receive, task: "asyncio.Task[Any]") -> None:
        """Cancels `task` when the client hangs up."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        clients_gone.add(task)
        task.cancel()

    async def handle(self, body: bytes) -> None:
        """Awaits the view and sends what it answers; every error becomes OpenAI's error object."""
        try:
            result = await self.view(body)
            if not isinstance(result, Answer):
                await self.send_whole(result)
            elif result.frames is None:
                headers = self.headers(JsonRenderer.media_type, result.headers)
                await self.send_body_with(200, headers, result.body)
            else:
                await self.stream(result)
        except Exception as exception:  # noqa: BLE001 - the edge: whatever happens becomes an answer
            error = from_exception(exception)
            if error.status >= 500:
                report = log.warning if isinstance(exception, ApiError) else log.error
                report(
                    "request_failed",
                    request_id=str(self.arrival.request_id),
                    code=error.code,
                    status=error.status,
                    exc_info=None if isinstance(exception, ApiError) else exception,
                )
            await self.send_error(error)
            forget_frames(error, exception)
            del error
        finally:
            if self.keepalive is not None:
                self.keepalive.cancel()
            if self.comment is not None:
                # One that a slow reader held up would come after the end.
                self.comment.cancel()

    async def view(self, body: bytes) -> Result:
        """What the view of this URL answers."""
        match = self.route()
        request = self.request(body)
        request.resolver_match = match
        result = await match.func(request, *match.args, **match.kwargs)
        # What is for everybody asks nobody who they are.
        user: Any = getattr(request, "user", None)
        self.organization = None if user is None else user.organization_slug
        return result

    def route(self) -> ResolverMatch:
        """The view for the path. Raises `UnknownRoute`."""
        path = self.scope["path"]
        match = routes.get(path)
        if match is None:
            try:
                match = resolve(path, ROUTES)
            except Resolver404:
                raise unknown_route(self.scope["method"], path) from None
            # Those of fixed paths alone: others are as many as there are texts.
            if not match.args and not match.kwargs:
                routes[path] = match
        return match

    def request(self, body: bytes) -> ASGIRequest:
        """Django's request."""
        request = ASGIRequest(self.scope, io.BytesIO(body))
        request.META["REMOTE_ADDR"] = client_address(request, self.trusted_proxies)
        request.arrival = self.arrival  # type: ignore[attr-defined]
        return request

    async def stream(self, answer: Answer) -> None:
        """Sends frames as they come.

        The status waits for the first frame, so that an error before it is a plain one; after
        `STREAM_KEEPALIVE_SECONDS` without a byte the head goes out with a comment, and comments follow.
        """
        frames = answer.frames
        assert frames is not None  # noqa: S101
        self.answer = answer
        if answer.content_type == EVENT_STREAM:
            self.last_sent = time.monotonic()
            self.keepalive = asyncio.get_running_loop().call_later(settings.STREAM_KEEPALIVE_SECONDS, self.keep_alive)
        send, encode = self.base_send, answer.encode
        try:
            async for event in frames:
                frame = event if encode is None else encode(event)
                if not frame:
                    continue
                if not self.started:
                    await self.start_stream()
                await send({"type": "http.response.body", "body": frame, "more_body": True})
                self.last_sent = time.monotonic()
        finally:
            await frames.aclose()
        if not self.started:
            await self.start_stream()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def start_stream(self) -> None:
        """Sends the head of an event stream."""
        self.started = True
        headers = self.headers(self.answer.content_type, self.answer.headers)
        # nginx buffers proxied answers unless told not to.
        headers += [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        await self.base_send({"type": "http.response.start", "status": 200, "headers": headers})

    def keep_alive(self) -> None:
        """Sees to it that a quiet stream does not look dead; runs by a timer, so that a token pays nothing for it."""
        loop = asyncio.get_running_loop()
        quiet = time.monotonic() - self.last_sent
        if quiet >= settings.STREAM_KEEPALIVE_SECONDS:
            quiet = 0.0
            # For a client that does not read, one comment waits and no more.
            if self.comment is None or self.comment.done():
                self.comment = loop.create_task(self.send_comment())
        self.keepalive = loop.call_later(settings.STREAM_KEEPALIVE_SECONDS - quiet, self.keep_alive)

    async def send_comment(self) -> None:
        """One keep-alive comment."""
        if not self.started:
            await self.start_stream()
        await self.base_send({"type": "http.response.body", "body": KEEP_ALIVE, "more_body": True})
        self.last_sent = time.monotonic()

    async def send_whole(self, response: Any) -> None:
        """Sends a DRF `Response`."""
        response.render()
        headers = self.headers(response.accepted_media_type, dict(response.items()))
        await self.send_body_with(response.status_code, headers, response.content)

    async def send_error(self, error: ApiError) -> None:
        """Sends OpenAI's error object: as the whole answer, or as the last event of a stream that has begun.

        Another body that has begun is cut off: the server closes the connection, so that it does not look whole.
        """
        if not self.started:
            await self.send_body_with(error.status, self.headers("application/json", error.headers), error_body(error))
        elif self.keepalive is not None:
            frame = error_frame if self.answer.failed is None else self.answer.failed
            await self.base_send({"type": "http.response.body", "body": frame(error), "more_body": False})

    async def send_body_with(self, status: int, headers: Headers, body: bytes) -> None:
        """Sends head and body."""
        self.started = True
        headers.append((b"content-length", str(len(body)).encode()))
        await self.base_send({"type": "http.response.start", "status": status, "headers": headers})
        await self.base_send(
            {"type": "http.response.body", "body": b"" if self.scope["method"] == "HEAD" else body, "more_body": False}
        )

    def headers(self, content_type: str, more: dict[str, str]) -> Headers:
        """The headers of every answer, and `more`."""
        headers = [
            (b"content-type", content_type.encode()),
            (b"x-request-id", str(self.arrival.request_id).encode()),
            (b"openai-version", b"2020-10-01"),
            (b"openai-processing-ms", str(round((time.monotonic() - self.arrival.monotonic) * 1000)).encode()),
        ]
        if self.organization is not None:
            headers.append((b"openai-organization", self.organization.encode()))
        for name, value in more.items():
            if name.lower() != "content-type":
                headers.append((name.lower().encode(), value.encode("latin1", "replace")))
        return headers


class RefusingConsumer(ApiConsumer):
    """Answers every request with the error of a server that ends, without beginning it."""

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        self.begin(scope, send)
        await self.refuse(shutting_down(), receive)
