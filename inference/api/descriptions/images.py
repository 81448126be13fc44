"""Images."""

from typing import Annotated

from msgspec import Meta

from inference.api.answers.images import ImageEvent, Images
from inference.api.openapi import Example, Operation
from inference.api.schemas.images.checks import REFUSED
from inference.api.schemas.images.edits import EditRequest, JsonEditRequest
from inference.api.schemas.images.generations import GenerationRequest

# OpenAPI 3.1's way of saying that a part of a form is a file.
File = Annotated[str, Meta(extra_json_schema={"contentMediaType": "application/octet-stream"})]
# Eight by eight pixels of blue.
PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFElEQVR4nGMUsMljwAaYsIoOWgkAloYAygF4gTcAAAAASUVO"
    "RK5CYII="
)


class EditForm(EditRequest, kw_only=True):
    """Pictures as files; `image[]` is `image`, too."""

    image: File | list[File]
    mask: File | None = None


GENERATE_IMAGES = Operation(
    id="generateImages",
    summary="Draw pictures of a prompt",
    tag="Images",
    description="Pictures come in the answer: nothing is stored that a URL could name.",
    request=GenerationRequest,
    refused=frozenset(REFUSED),
    answer=Images,
    events=ImageEvent,
    of_model=True,
    examples={
        "plain": Example(
            summary="A small picture",
            body={"model": "demo-image", "prompt": "A cog under sail", "size": "256x256", "seed": 1},
        )
    },
)
EDIT_IMAGES = Operation(
    id="editImages",
    summary="Change pictures",
    tag="Images",
    description="As a form with files, as OpenAI's SDKs send it, or as JSON with `data:` URLs; `https:` URLs where the"
    " operator lets this server fetch them.",
    request=JsonEditRequest,
    form=EditForm,
    refused=frozenset((*REFUSED, "markup")),
    answer=Images,
    events=ImageEvent,
    of_model=True,
    examples={
        "json": Example(
            summary="A picture as a data: URL",
            body={"model": "demo-image", "prompt": "At night", "image": PICTURE, "size": "256x256"},
        )
    },
)
