"""What an image model can be asked for, as its operator's tensor maps and sizes say."""

from collections.abc import Iterator
from math import prod

from django.conf import settings
from msgspec import Struct

from inference.catalogue import Offer
from inference.errors import InvalidRequest
from inference.image_sizes import Size
from inference.images.checking import too_many
from inference.images.drawing import Drawing
from inference.tensor_map import Input, TensorMap

# The largest seed that fits, and one more, by the datatype of the tensor; others hold any seed of a request.
SEEDS = {
    "INT8": 2**7, "UINT8": 2**8, "INT16": 2**15, "UINT16": 2**16, "INT32": 2**31, "UINT32": 2**32,
    "FP16": 2**11, "FP32": 2**24, "FP64": 2**53,
}  # fmt: skip
MOST_SEEDS = 2**63
# Fields of a request that only some models know.
OPTIONAL = ("negative_prompt", "seed", "steps", "guidance_scale", "mask")


class Abilities(Struct, frozen=True):
    """What requests for a model may bring, by source of its tensor maps.

    `sources`: what every deployment takes; `needed`: what some does not work without; `seeds`: how many there are, 0
    where it takes none; `pictures`: how many it takes at most.
    """

    sources: frozenset[str]
    needed: frozenset[str]
    seeds: int
    pictures: int


def default_abilities() -> Abilities:
    """Of a model that has no deployment now: nothing is known that it could not."""
    sources = frozenset({*OPTIONAL, "image", "width", "height"})
    return Abilities(sources, frozenset(), MOST_SEEDS, settings.IMAGES_PER_REQUEST)


def abilities_of(offer: Offer) -> Abilities:
    """What requests for the model may bring."""
    maps = [target.tensor_map for target in offer.targets if target.tensor_map is not None]
    if not maps:
        return default_abilities()
    sources = frozenset.intersection(*(tensor_map.sources for tensor_map in maps))
    seeds = min(map(_seeds, maps)) if "seed" in sources else 0
    return Abilities(sources, frozenset[str]().union(*map(_needed, maps)), seeds, min(map(_pictures, maps)))


def check_abilities(drawing: Drawing, offer: Offer) -> None:
    """Raises `InvalidRequest` for what this model does not know."""
    abilities = abilities_of(offer)
    for field in OPTIONAL:
        if getattr(drawing, field) is not None and field not in abilities.sources:
            raise InvalidRequest(
                f"Unsupported parameter: '{field}' is not supported with this model.",
                param=field,
                code="unsupported_parameter",
            )
    given = {"image": drawing.pictures, "mask": drawing.mask}
    for field, value in given.items():
        if field in abilities.needed and not value:
            message = f"Missing required parameter: '{field}'. This model does not draw without."
            raise InvalidRequest(message, param=field, code="missing_required_parameter")
    if len(drawing.pictures) > abilities.pictures:
        param = drawing.pictures[abilities.pictures].param
        raise too_many(param, abilities.pictures)


def size_for(drawing: Drawing, first: Size | None, offer: Offer) -> Size | None:
    """The size to draw in: what was asked for, that of the `first` picture, else the model's own; None: it has but one.

    Raises `InvalidRequest` for a size in which this model does not draw.
    """
    sizes = offer.image_sizes
    default = sizes.default_size
    choosable = {"width", "height"} <= abilities_of(offer).sources
    if drawing.size is None:
        fits = choosable and first is not None and sizes.allow(first)
        return None if not choosable else first if fits else default
    if drawing.size != default and not (choosable and sizes.allow(drawing.size)):
        known = sizes if choosable else default
        raise InvalidRequest(f"Invalid 'size': this model draws 'auto' or {known}.", param="size", code="invalid_value")
    return drawing.size if choosable else None


def _inputs(tensor_map: TensorMap, source: str) -> Iterator[Input]:
    return (tensor for tensor in tensor_map.inputs if source in tensor.sources)


def _needed(tensor_map: TensorMap) -> frozenset[str]:
    always = (tensor for tensor in tensor_map.inputs if not tensor.optional and tensor.default is None)
    return frozenset(tensor.source for tensor in always if isinstance(tensor.source, str))


def _seeds(tensor_map: TensorMap) -> int:
    # Written as text, a number may be as large as it likes.
    plain = [tensor.dtype for tensor in _inputs(tensor_map, "seed") if tensor.encode != "json"]
    return min((SEEDS.get(dtype, MOST_SEEDS) for dtype in plain), default=MOST_SEEDS)


def _pictures(tensor_map: TensorMap) -> int:
    """How many pictures a call takes: none, as many as a tensor of a fixed shape holds, or as a request may have."""
    if "image" not in tensor_map.sources:
        return 0
    bounds = [settings.IMAGES_PER_REQUEST]
    for tensor in _inputs(tensor_map, "image"):
        fixed = [size for size in tensor.shape if isinstance(size, int)]
        if tensor.encode == "json":
            bounds.append(1)
        elif "N" not in tensor.shape:
            bounds.append(prod(fixed))
    return min(bounds)
