"""What decoding alone does not see of a request for images."""

from inference.api.schemas import problems
from inference.api.schemas.images.fields import ImageRequest
from inference.errors import InvalidRequest
from inference.image_sizes import parse_size

REFUSED = ("frame_count", "frame_duration_ms", "complexity", "svg")


def check(request: ImageRequest) -> None:
    """Raises `InvalidRequest` for what no model could do."""
    for field in REFUSED:
        if getattr(request, field) is not None:
            raise problems.unsupported(field)
    if request.response_format == "url":
        raise InvalidRequest(
            "Unsupported value: 'response_format' must be 'b64_json'. This server stores nothing, images neither, so "
            "there is no URL to fetch them from.",
            param="response_format",
            code="unsupported_value",
        )
    if request.size not in (None, "auto") and parse_size(request.size) is None:
        raise problems.invalid_value("size", "Invalid 'size': expected 'auto' or WIDTHxHEIGHT, such as '1024x1024'.")
    if request.output_format in (None, "png") and request.output_compression not in (None, 100):
        message = "Invalid 'output_compression': PNG files are not compressed with loss; ask for 'jpeg' or 'webp'."
        raise problems.invalid_value("output_compression", message)
    if request.partial_images and not request.stream:
        message = "The 'partial_images' parameter is only allowed when 'stream' is enabled."
        raise problems.invalid_value("partial_images", message)
