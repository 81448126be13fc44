"""The answers of embeddings and rerank."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType


class PromptUsage(Struct):
    """What was used, as it is billed."""

    prompt_tokens: int
    total_tokens: int


class Embedding(Struct):
    """The vector of one input: numbers, or with `base64` their bytes as 32-bit floats, little-endian."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingList(Struct):
    """The vectors in the order of the inputs."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: PromptUsage


class RankedDocument(Struct):
    """A document by its place in the request; `document` where it was to be returned."""

    index: int
    relevance_score: float
    document: dict[str, Any] | UnsetType = UNSET


class ApiVersion(Struct):
    """Cohere's version of the API."""

    version: str


class BilledUnits(Struct):
    """Cohere's searches: a query with a hundred documents is one."""

    search_units: int


class RerankMeta(Struct):
    """What clients of Cohere read."""

    api_version: ApiVersion
    billed_units: BilledUnits


class Ranking(Struct):
    """The documents, the best first."""

    id: str
    object: Literal["list"]
    model: str
    results: list[RankedDocument]
    usage: PromptUsage
    meta: RerankMeta
