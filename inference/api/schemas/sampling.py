"""The fields that every request for generated text has, and what they mean."""

from typing import Annotated

from msgspec import Meta, Struct

from inference.api.schemas import problems
from inference.generation import Sampling

Count = Annotated[int, Meta(ge=1)]
TokenId = Annotated[int, Meta(ge=0)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Bias = Annotated[float, Meta(ge=-100, le=100)]


class StreamOptions(Struct, gc=False):
    """Extras of a stream. Obfuscation is padding that we never send."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class SamplingFields(Struct, gc=False, kw_only=True):
    """What chat completions and completions have in common: OpenAI's fields, and vLLM's extra ones."""

    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Count | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    logit_bias: dict[TokenId, Bias] | None = None

    # vLLM's extra fields.
    top_k: Annotated[int, Meta(ge=-1)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=2)] | None = None
    min_tokens: Annotated[int, Meta(ge=0)] | None = None
    stop_token_ids: Annotated[list[TokenId], Meta(max_length=1000)] | None = None
    ignore_eos: bool | None = None
    skip_special_tokens: bool | None = None
    include_stop_str_in_output: bool | None = None
    bad_words: Annotated[list[Annotated[str, Meta(min_length=1, max_length=1000)]], Meta(max_length=1000)] | None = None
    allowed_token_ids: Annotated[list[TokenId], Meta(min_length=1)] | None = None


def choice_count(request: SamplingFields) -> int:
    """How many answers the client wants."""
    return request.n or 1


def stops(request: SamplingFields) -> tuple[str, ...]:
    """The texts at which an answer ends; empty ones, which no engine takes, mean nothing and are left out."""
    stop = request.stop
    if not stop:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(text for text in stop if text)


def wants_usage(request: SamplingFields) -> bool:
    """Whether a stream ends with the usage."""
    return request.stream_options is not None and bool(request.stream_options.include_usage)


def sampling(request: SamplingFields) -> Sampling:
    """How tokens are to be chosen."""
    return Sampling(
        temperature=request.temperature,
        top_p=request.top_p,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        seed=request.seed,
        logit_bias=request.logit_bias or None,
        top_k=request.top_k,
        min_p=request.min_p,
        repetition_penalty=request.repetition_penalty,
        min_tokens=request.min_tokens,
        stop_token_ids=tuple(request.stop_token_ids or ()),
        ignore_eos=request.ignore_eos,
        skip_special_tokens=request.skip_special_tokens,
        include_stop_str_in_output=request.include_stop_str_in_output,
        bad_words=tuple(request.bad_words or ()),
        allowed_token_ids=tuple(request.allowed_token_ids or ()),
    )


def check_sampling(request: SamplingFields, limit: int | None) -> None:
    """Raises `InvalidRequest` for fields that are fine alone and wrong together; `limit`: most tokens of an answer."""
    if request.stream_options is not None and not request.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise problems.invalid_value("stream_options", message)
    if request.min_tokens and limit is not None and request.min_tokens > limit:
        raise problems.invalid_value("min_tokens", "Invalid 'min_tokens': more than the most tokens of the answer.")
