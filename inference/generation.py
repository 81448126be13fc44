"""The internal request for text, and the typed events that a backend answers it with.

Every step between `api.schemas` and `wire` speaks these types; neither OpenAI's JSON nor Triton's tensors appear here.
"""

from collections.abc import AsyncGenerator
from typing import Protocol

from msgspec import Struct

from inference.tensor_map import TensorMap


class Sampling(Struct, frozen=True):
    """How tokens are chosen. None: the engine's own default."""

    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    logit_bias: dict[int, float] | None = None
    # vLLM's extra fields.
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    min_tokens: int | None = None
    stop_token_ids: tuple[int, ...] = ()
    ignore_eos: bool | None = None
    skip_special_tokens: bool | None = None
    include_stop_str_in_output: bool | None = None
    bad_words: tuple[str, ...] = ()
    allowed_token_ids: tuple[int, ...] = ()


class Structure(Struct, frozen=True):
    """The form that an answer must have: JSON, by a JSON Schema where there is one.

    Engines that can hold what they generate to it are told (guided decoding); whatever they do, the answer is checked.
    """

    # The schema as JSON text; None: any object.
    schema: str | None = None


class Generation(Struct, frozen=True):
    """One request for text, ready for an engine: the prompt is rendered, limits are settled.

    `prompt_tokens` is exact where `prompt_counted`, else an estimate of a prompt that should fit.
    """

    request_id: str
    prompt: str
    prompt_tokens: int
    max_tokens: int
    sampling: Sampling
    # Choices; `inference.choices` makes single ones of several before a backend sees them.
    n: int = 1
    prompt_counted: bool = True
    stop: tuple[str, ...] = ()
    # None: no logprobs; 0: of the chosen token only; k: also of the k likeliest.
    top_logprobs: int | None = None
    structure: Structure | None = None
    # Encoded files (PNG, JPEG, WebP, GIF) in the order of the prompt's placeholders; checked, see `inference.images`.
    images: tuple[bytes, ...] = ()
    # The request's field that holds the prompt, for errors.
    param: str = "messages"


class TokenLogprob(Struct, frozen=True, gc=False):
    """A token and its natural-log probability."""

    token: str
    logprob: float


class ChosenToken(Struct, frozen=True):
    """A generated token's logprob with those of the likeliest alternatives, likeliest first."""

    token: str
    logprob: float
    top: tuple[TokenLogprob, ...] = ()


class TextDelta(Struct):
    """More text of choice `index`: `tokens` new output tokens, as the engine counts them (0: it does not say)."""

    index: int
    text: str
    tokens: int = 0
    logprobs: tuple[ChosenToken, ...] | None = None


class ReasoningDelta(Struct, gc=False):
    """More of what the model thinks before choice `index`; `tokens` as of `TextDelta`, those of the markers included.

    `earlier`: tokens of the thinking that came with a `TextDelta`, before it was known what they were.
    """

    index: int
    text: str
    tokens: int = 0
    earlier: int = 0


class ToolCalled(Struct, gc=False):
    """A whole call of a tool in choice `index`; `arguments` is a JSON object as text, `call_id` unique in the answer.

    Its tokens came before, with `TextDelta` events without text.
    """

    index: int
    call_id: str
    name: str
    arguments: str


class Finish(Struct, gc=False):
    """The end of choice `index`: `stop`, `length` or `tool_calls`."""

    index: int
    reason: str


class Usage(Struct, gc=False):
    """Token counts of the whole request, summed over all choices; `source` as `billing.models.TokenSource`.

    A backend that knows them sends it with its first tokens, so that the input is known should the client leave, and
    before `Finish`; later ones replace earlier.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    source: str = "reported"


class Restart(Struct, gc=False):
    """Nothing of what came before counts: the answer begins again, on another deployment."""


Event = TextDelta | ReasoningDelta | ToolCalled | Finish | Usage | Restart
EventStream = AsyncGenerator[Event, None]


class Target(Struct, frozen=True):
    """Where a deployment listens; an immutable copy of its row."""

    name: str
    adapter: str
    url: str
    triton_model: str
    triton_version: str
    weight: int
    max_concurrency: int
    headers: dict[str, str]
    options: dict[str, object]
    # Of those that generate no text.
    tensor_map: TensorMap | None = None

    @property
    def model_url(self) -> str:
        """The address of the model in Triton, of its pinned version if there is one."""
        version = f"/versions/{self.triton_version}" if self.triton_version else ""
        return f"{self.url}/v2/models/{self.triton_model}{version}"


class Backend(Protocol):
    """An adapter: turns a generation into events.

    `stream` raises `BackendUnavailable` while nothing was generated (another deployment may be tried),
    `BackendTimeout`, `BackendFailed`, or `InvalidRequest` for what the engine refused. Closing the iterator
    cancels the engine's work.
    """

    def stream(self, generation: Generation, target: Target) -> EventStream:
        """The events of one request; ends after a `Finish` for each choice."""
        ...
