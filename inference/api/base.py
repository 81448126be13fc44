"""The base of every `/v1` view: DRF's extension points, awaited."""

from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any, ClassVar

from django.http import HttpRequest
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import ApiKeyAuthentication
from accounts.errors import NotPermitted
from accounts.principals import Principal
from inference.api.openapi import Operation
from inference.errors import MethodNotSupported, UnsupportedContentType
from inference.pipeline import Answer, Arrival

Result = Answer | Response


class HasScope(BasePermission):
    """The key carries the scope that the view names."""

    async def has_permission(self, request: Request, view: Any) -> bool:  # type: ignore[override]
        """Raises `NotPermitted` (missing_scope) for a key without it."""
        if not view.principal.has_scope(view.scope):
            raise NotPermitted(f"This API key lacks the scope `{view.scope}`.", code="missing_scope")
        return True


class JsonParser(BaseParser):
    """Hands the body on as bytes: `api.schemas` decodes them into types in one go."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> bytes:  # type: ignore[override]
        """The body."""
        return stream.read()


class JsonRenderer(BaseRenderer):
    """Passes on bytes that `wire` has encoded."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    def render(self, data: bytes, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """The same bytes."""
        return data


class ApiView(APIView):
    """An async DRF view that `ApiConsumer` awaits directly, without Django's handler and middleware around it.

    Subclasses name a `scope` and define `async def get/post(self, request, …)` that return the pipeline's `Answer`, in
    which nothing is left to render, or a DRF `Response` of bytes. Errors leave as exceptions: the consumer renders
    them, as only it knows whether the answer has begun.
    """

    scope: ClassVar[str]
    # What the published document says of each method (`inference.api.openapi`).
    operations: ClassVar[dict[str, Operation]] = {}
    authentication_classes = [ApiKeyAuthentication]
    permission_classes = [HasScope]
    throttle_classes = []
    parser_classes = [JsonParser]
    renderer_classes = [JsonRenderer]

    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Result:  # type: ignore[override]
        """Authenticates, checks permissions and throttles, and calls the method's handler."""
        handler = self.handler(request.method or "")
        self.args, self.kwargs = args, kwargs
        self.request = self.initialize_request(request, *args, **kwargs)
        await self.admit(self.request)
        return await handler(self.request, *args, **kwargs)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """DRF's request, which holds neither itself nor the view: as a cycle, every body would outlive its answer."""
        found = Request(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
        )
        found.parser_context.clear()
        # DRF's request finds this, as all that is Django's, only after a failed look at itself.
        found.META = request.META
        return found

    def handler(self, method: str) -> Callable[..., Awaitable[Result]]:
        """The coroutine for an HTTP method; raises `MethodNotSupported`."""
        found = getattr(self, method.lower(), None) if method.lower() in self.http_method_names else None
        if found is None or method == "OPTIONS":
            allowed = ", ".join(name for name in self.allowed_methods if name != "OPTIONS")
            raise MethodNotSupported(f"Not allowed to {method} here; allowed: {allowed}.", headers={"allow": allowed})
        return found

    async def admit(self, request: Request) -> None:
        """DRF's `initial`, awaited. Raises `ApiError`."""
        for authenticator in request.authenticators or ():
            found = await authenticator.authenticate(request)  # type: ignore[misc]
            if found is not None:
                request.user, request.auth = found
                break
        for permission in self.get_permissions():
            if not await permission.has_permission(request, self):  # type: ignore[misc]
                raise NotPermitted("This API key may not do this.")
        for throttle in self.get_throttles():
            await throttle.allow_request(request, self)  # type: ignore[misc]

    @property
    def principal(self) -> Principal:
        """Who asks."""
        return self.request.user  # type: ignore[return-value]

    @property
    def arrival(self) -> Arrival:
        """When the request came, and its id."""
        return self.request._request.arrival  # type: ignore[attr-defined]

    def has_body(self) -> bool:
        """Whether anything was sent beside the headers."""
        stream = self.request._request._stream
        return isinstance(stream, BytesIO) and stream.getbuffer().nbytes > 0

    def parsed(self) -> Any:
        """The body, through the parser for its media type; raises `UnsupportedContentType`."""
        media_type = (self.request.content_type or "").partition(";")[0].strip().lower()
        for parser in self.request.parsers or ():
            if parser.media_type == media_type:
                return parser.parse(self.request._request._stream, media_type)
        known = " or ".join(parser.media_type for parser in self.parser_classes)
        raise UnsupportedContentType(f"The content type must be {known}.")

    def json(self, body: bytes, *, headers: dict[str, str] | None = None, status: int = 200) -> Response:
        """An answer of encoded JSON."""
        response = Response(body, headers=headers, status=status)
        response.accepted_renderer = self.renderer_classes[0]()
        response.accepted_media_type = response.accepted_renderer.media_type
        response.renderer_context = {}  # type: ignore[attr-defined]
        response.render()
        # DRF has put the response itself in: a cycle, see `initialize_request`.
        response.renderer_context.clear()  # type: ignore[attr-defined]
        return response
