"""`POST /v1/images/generations` and `POST /v1/images/edits`."""

from rest_framework.request import Request

from inference.api.base import ApiView, JsonParser, Result
from inference.api.descriptions.images import EDIT_IMAGES, GENERATE_IMAGES
from inference.api.multipart import MEDIA_TYPE, MultipartParser, form_ms, parse_form
from inference.api.schemas.images import decode_edit, decode_edit_form, decode_generation, drawing_of
from inference.api.schemas.images.edits import Edit
from inference.large_requests import beside_the_loop, decoding_ms
from inference.pipeline.images import images

FILES = frozenset({"image", "mask", "markup"})


class ImageGenerationsView(ApiView):
    """Images of a prompt, streamed or whole (OpenAI API reference, "Create image")."""

    scope = "images"
    operations = {"POST": GENERATE_IMAGES}

    async def post(self, request: Request) -> Result:
        """Answers one request."""
        body = self.parsed()
        asked = await beside_the_loop(decoding_ms(len(body)), decode_generation, body)
        return await images(asked, drawing_of(asked), self.principal, self.arrival)


class ImageEditsView(ApiView):
    """Images made of others, sent as files in a form or as URLs in JSON (OpenAI API reference, "Create image edit")."""

    scope = "images"
    parser_classes = [JsonParser, MultipartParser]
    operations = {"POST": EDIT_IMAGES}

    async def post(self, request: Request) -> Result:
        """Answers one request."""
        edit = await self.decoded(self.parsed(), request.content_type or "")
        drawing = drawing_of(edit.request, edit.pictures, edit.mask)
        return await images(edit.request, drawing, self.principal, self.arrival)

    async def decoded(self, body: bytes, content_type: str) -> Edit:
        """The request in a body. Raises `InvalidRequest`."""
        if not content_type.strip().lower().startswith(MEDIA_TYPE):
            return await beside_the_loop(decoding_ms(len(body)), decode_edit, body)
        form = await beside_the_loop(form_ms(body), parse_form, body, content_type.strip(), FILES)
        return decode_edit_form(form)
