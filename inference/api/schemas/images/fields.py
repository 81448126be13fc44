"""The fields that both requests for images have, with what each takes by itself."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

# OpenAI's limit; models' own are in tokens.
Prompt = Annotated[str, Meta(min_length=1, max_length=32_000)]
# What is as long as this already carries the largest image that fits into a body.
Url = Annotated[str, Meta(min_length=1)]


class ImageRequest(Struct, gc=False, kw_only=True):
    """Images as the client asks for them."""

    model: str
    prompt: Prompt
    n: Annotated[int, Meta(ge=1, le=10)] | None = None
    size: Annotated[str, Meta(max_length=40)] | None = None
    response_format: Literal["b64_json", "url"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: Annotated[int, Meta(ge=0, le=100)] | None = None
    stream: bool | None = None
    partial_images: Annotated[int, Meta(ge=0, le=3)] | None = None

    # Of diffusion models.
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    steps: Annotated[int, Meta(ge=1, le=200)] | None = None
    guidance_scale: Annotated[float, Meta(ge=0, le=50)] | None = None
    negative_prompt: Annotated[str, Meta(max_length=32_000)] | None = None

    # Accepted without effect: labels, and wishes that a model does not know.
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"] | None = None
    background: Literal["auto", "opaque", "transparent"] | None = None
    moderation: Literal["auto", "low"] | None = None
    style: Literal["vivid", "natural"] | None = None
    user: str | None = None
    safety_identifier: Annotated[str, Meta(max_length=128)] | None = None

    # Refused: animations and drawings of lines.
    frame_count: Any = None
    frame_duration_ms: Any = None
    complexity: Any = None
    svg: Any = None
