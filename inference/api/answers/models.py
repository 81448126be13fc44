"""The answers of `/v1/models`, and of the agents' configuration."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType


class NanoPrices(Struct):
    """Prices in integer nano-euro, 1e-9 EUR."""

    input: int | None
    cached_input: int | None
    output: int | None
    reasoning: int | None
    per_image: int | UnsetType = UNSET
    per_document: int | UnsetType = UNSET


class Prices(Struct):
    """What a model costs: EUR as exact decimal text, for `per_tokens` tokens of each kind, each image or document."""

    currency: Literal["EUR"]
    per_tokens: int
    input: str | None
    cached_input: str | None
    output: str | None
    reasoning: str | None
    nano_euro: NanoPrices
    per_image: str | UnsetType = UNSET
    per_document: str | UnsetType = UNSET


class ImageSizes(Struct):
    """The sizes of pictures to choose from, or the bounds of their sides in pixels."""

    default: str
    only: list[str] | UnsetType = UNSET
    smallest_side: int | UnsetType = UNSET
    largest_side: int | UnsetType = UNSET
    multiple_of: int | UnsetType = UNSET


class Architecture(Struct):
    """What goes in and comes out, as OpenRouter says it."""

    modality: str
    input_modalities: list[str]
    output_modalities: list[str]


class TopProvider(Struct):
    """Limits, as OpenRouter says them."""

    context_length: int | None
    max_completion_tokens: int | None
    is_moderated: bool


class Model(Struct, rename={"class_": "class"}):
    """OpenAI's model object, and what agents need to know beside it."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    shutdown_date: str | None
    class_: Literal["premium", "standard"]
    input_modalities: list[str]
    output_modalities: list[str]
    capabilities: list[str]
    supported_parameters: list[str]
    lifecycle: str
    deprecation_date: str | None
    replacement: str | None
    prices: Prices | None
    name: str
    description: str | None
    hugging_face_repository: str | None
    aliases: list[str]
    architecture: Architecture
    top_provider: TopProvider
    max_model_len: int | UnsetType = UNSET
    context_length: int | UnsetType = UNSET
    max_output_tokens: int | UnsetType = UNSET
    default_output_tokens: int | UnsetType = UNSET
    embedding_dimensions: list[int] | UnsetType = UNSET
    image_sizes: ImageSizes | UnsetType = UNSET


class ModelList(Struct):
    """The models that a key may use."""

    object: Literal["list"]
    data: list[Model]


class Authentication(Struct):
    """How a key is sent, and where an agent finds it."""

    header: Literal["Authorization"]
    scheme: Literal["Bearer"]
    token_source: str


class AgentDefaults(Struct):
    """What agents should ask for."""

    stream: bool


class AgentConfig(Struct):
    """How to set up an agent: AKI's form, and beside it agents' own files."""

    provider: str
    compatibility: Literal["OpenAI-Drop-In"]
    base_url: str
    authentication: Authentication
    endpoints: dict[str, str]
    agent_defaults: AgentDefaults
    models: list[Model]
    configurations: dict[str, dict[str, Any]]
