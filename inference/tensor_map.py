"""The operator's map of a Triton model that generates no text: which of its tensors hold what.

There is no convention for embeddings, rerankers and image models on Triton; `tensor_presets` has those often seen.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1, max_length=200)]
# Triton's names in requests; its configuration says TYPE_STRING for BYTES and TYPE_ before all others.
Datatype = Literal[
    "BYTES", "BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP16", "FP32", "FP64"
]
# B: the items of a call (texts, or documents with their query); N: the values of the source; L: the longest text's
# tokens.
Dimension = Literal["B", "N", "L"] | Annotated[int, Meta(ge=1)]
Source = Literal[
    # One each for every item of a call.
    "input",
    "documents",
    "pairs",
    "input_ids",
    "attention_mask",
    "token_type_ids",
    # One for all.
    "query",
    "prompt",
    "negative_prompt",
    "seed",
    "steps",
    "guidance_scale",
    "width",
    "height",
    "mask",
    # As many as there are.
    "image",
]
TOKENISED = frozenset({"input_ids", "attention_mask", "token_type_ids"})
# What a map for a capability must send (one of them) and read.
NEEDS: dict[str, tuple[frozenset[str], str]] = {
    "embeddings": (frozenset({"input", "input_ids"}), "embedding"),
    "rerank": (frozenset({"documents", "pairs", "input_ids"}), "score"),
    "images": (frozenset({"prompt"}), "image"),
    "image_edits": (frozenset({"image"}), "image"),
}
MOST_DIMENSIONS = 6


class TensorMapError(ValueError):
    """The map makes no sense; the message is for an operator."""


class Input(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A tensor that is sent: what is in it, and how it lies.

    `source` names what a request brings; with `encode` "json" it is an object of such names to the keys of a JSON text
    in the tensor. An `optional` tensor is left out where the request brings nothing, any other then holds `default`.
    """

    tensor: Text
    dtype: Datatype
    shape: Annotated[list[Dimension], Meta(min_length=1, max_length=MOST_DIMENSIONS)]
    source: Source | Annotated[dict[Source, Text], Meta(min_length=1)]
    optional: bool = False
    default: str | int | float | bool | None = None
    # "base64": a file's bytes as text.
    encode: Literal["", "json", "base64"] = ""
    # The id that short texts are filled up with.
    pad: Annotated[int, Meta(ge=0)] = 0

    @property
    def sources(self) -> tuple[str, ...]:
        """All that it takes of a request."""
        return tuple(self.source) if isinstance(self.source, dict) else (self.source,)


class Embedding(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where vectors are: [B, D], or the last hidden state [B, L, D], of which `pooling` makes one vector an item."""

    tensor: Text
    pooling: Literal["none", "mean", "cls", "last"] = "none"
    normalize: bool = True


class Score(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where scores are: [B], [B, 1] or, for "softmax", logits [B, classes] of which the last is "relevant"."""

    tensor: Text
    activation: Literal["none", "sigmoid", "softmax"] = "none"


class Image(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where pictures are: encoded files (PNG, JPEG, WebP), the same as base64, or arrays of red, green and blue.

    Arrays lie by rows (hwc) or by colours (chw); their values go from 0 to 255, from 0 to 1 or from -1 to 1.
    """

    tensor: Text
    encoding: Literal["png_bytes", "base64", "hwc_uint8", "chw_uint8", "hwc_float01", "chw_float_pm1"] = "png_bytes"


class Tokens(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where the engine's own count of input tokens is: one for each item, or one for all."""

    tensor: Text


class Outputs(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is read of an answer."""

    embedding: Embedding | None = None
    score: Score | None = None
    image: Image | None = None
    tokens: Tokens | None = None

    @property
    def tensors(self) -> dict[str, str]:
        """Tensor names by role."""
        roles = {"embedding": self.embedding, "score": self.score, "image": self.image, "tokens": self.tokens}
        return {role: output.tensor for role, output in roles.items() if output is not None}


class TensorMap(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The whole map. `max_batch`: the most items of one call (None: all of a request go into one).

    `probe` has values by source for the gateway's own trial requests, where its usual ones do not suit the model.
    """

    inputs: Annotated[list[Input], Meta(min_length=1, max_length=64)]
    outputs: Outputs
    max_batch: Annotated[int, Meta(ge=1, le=4096)] | None = None
    probe: dict[Source, Any] = {}

    @property
    def sources(self) -> frozenset[str]:
        """All that it takes of a request."""
        return frozenset(source for tensor in self.inputs for source in tensor.sources)

    @property
    def tokenised(self) -> bool:
        """Whether the gateway makes token ids of texts for this model."""
        return not TOKENISED.isdisjoint(self.sources)

    def serves(self, capability: str) -> bool:
        """Whether it sends and reads what a capability is about."""
        sources, role = NEEDS[capability]
        return not sources.isdisjoint(self.sources) and role in self.outputs.tensors


def parse_tensor_map(content: Any) -> TensorMap:
    """The map that is stored as `content`, JSON's types. Raises `TensorMapError`."""
    try:
        found = msgspec.convert(content, TensorMap)
    except msgspec.ValidationError as error:
        raise TensorMapError(f"{error}.") from None
    names = [tensor.tensor for tensor in found.inputs]
    if len(set(names)) < len(names):
        raise TensorMapError("An input tensor is named twice.")
    if not found.outputs.tensors:
        raise TensorMapError("No output is named: embedding, score or image.")
    for tensor in found.inputs:
        _check_input(tensor)
    pooling = found.outputs.embedding is not None and found.outputs.embedding.pooling != "none"
    if pooling and "input_ids" not in found.sources:
        raise TensorMapError("Pooling needs the length of each text in tokens: an input with the source input_ids.")
    return found


def _check_input(tensor: Input) -> None:
    """Raises `TensorMapError` for an input that could never be filled."""
    name = tensor.tensor
    if isinstance(tensor.source, dict) != (tensor.encode == "json"):
        raise TensorMapError(f"{name}: an object as source and the encoding json belong together.")
    if tensor.encode and tensor.dtype != "BYTES":
        raise TensorMapError(f"{name}: what is encoded as {tensor.encode} is text, of the dtype BYTES.")
    tokenised = not TOKENISED.isdisjoint(tensor.sources)
    if tokenised != ("L" in tensor.shape) or (tokenised and tensor.shape != ["B", "L"]):
        raise TensorMapError(f'{name}: token ids, and only they, have the shape ["B", "L"].')
    if tokenised and tensor.dtype not in ("INT32", "INT64"):
        raise TensorMapError(f"{name}: token ids are INT32 or INT64.")
    if sum(dimension in ("B", "N") for dimension in tensor.shape) > 1:
        raise TensorMapError(f"{name}: B and N may stand in a shape once, and not both.")
