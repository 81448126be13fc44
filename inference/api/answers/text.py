"""What answers made of text have in common."""

from typing import Literal

from msgspec import Struct


class PromptTokensDetails(Struct):
    """What of the prompt was in the engine's cache."""

    cached_tokens: int
    audio_tokens: int


class CompletionTokensDetails(Struct):
    """What of the answer was thought."""

    reasoning_tokens: int
    audio_tokens: int
    accepted_prediction_tokens: int
    rejected_prediction_tokens: int


class TokenUsage(Struct):
    """What was used, as it is billed."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


class Alternative(Struct):
    """A token that might have been chosen."""

    token: str
    logprob: float
    bytes: list[int] | None


class TokenLogprob(Struct):
    """A token, how likely it was, and the likeliest in its place."""

    token: str
    logprob: float
    bytes: list[int] | None
    top_logprobs: list[Alternative]


class Logprobs(Struct):
    """How likely the tokens were."""

    content: list[TokenLogprob]
    refusal: None


class FunctionCalled(Struct):
    """Which function, and its arguments as JSON text."""

    name: str
    arguments: str


class FunctionToCall(Struct):
    """A function that the client is to call."""

    id: str
    type: Literal["function"]
    function: FunctionCalled
