"""What a request for images asks for, in the words of the steps that follow."""

from inference.api.schemas.images.fields import ImageRequest
from inference.conversation import Picture
from inference.image_sizes import parse_size
from inference.images.drawing import Drawing, Output, Upload

FORMATS = {None: "PNG", "png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}


def drawing_of(
    request: ImageRequest, pictures: tuple[Picture | Upload, ...] = (), mask: Picture | Upload | None = None
) -> Drawing:
    """What is to be drawn."""
    return Drawing(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt or None,
        n=request.n or 1,
        size=parse_size(request.size or ""),
        seed=request.seed,
        steps=request.steps,
        guidance_scale=request.guidance_scale,
        output=Output(FORMATS[request.output_format], _quality(request)),  # type: ignore[arg-type]
        pictures=pictures,
        mask=mask,
    )


def _quality(request: ImageRequest) -> int | None:
    """OpenAI's compression is Pillow's quality, from 1: 100, its default, is the best."""
    compression = request.output_compression
    return None if request.output_format in (None, "png") or compression is None else max(1, compression)
