"""`GET /v1/openapi.json`: the description of this API."""

from rest_framework.request import Request
from rest_framework.response import Response

from inference.api.base import ApiView
from inference.api.descriptions.about import GET_OPENAPI
from inference.api.openapi.document import encoded_document
from inference.api.tags import client_has, tag_of
from inference.large_requests import beside_the_loop

# What making the document takes, about; it is made once a process.
MAKING_MS = 200.0


class OpenApiView(ApiView):
    """For everybody: it tells no more than the URL configuration."""

    authentication_classes = []
    permission_classes = []
    operations = {"GET": GET_OPENAPI}

    async def get(self, request: Request) -> Response:
        """The document; 304 for a client that has it."""
        body = await beside_the_loop(MAKING_MS, encoded_document)
        tag = tag_of(body)
        headers = {"cache-control": "public, max-age=300", "access-control-allow-origin": "*", "etag": tag}
        if client_has(request, tag):
            return self.json(b"", headers=headers, status=304)
        return self.json(body, headers=headers)
