"""The body of `POST /v1/completions`.

Every field of OpenAI's request works, is accepted because it changes nothing in the answer, or is refused by name;
fields that nobody knows are accepted. null means absent.
"""

from typing import Annotated, Any

from msgspec import Meta

from inference.api.schemas import problems
from inference.api.schemas.decoding import decode
from inference.api.schemas.sampling import SamplingFields, TokenId, check_sampling, choice_count, sampling, stops
from inference.completion import Completion

# As OpenAI has it, and few want it.
DEFAULT_TOKENS = 16
# Each choice is a request to an engine.
MOST_PROMPTS = 128
MOST_CHOICES = 128

TokenIds = Annotated[list[TokenId], Meta(min_length=1)]
# msgspec takes one kind of array in a union: that all items are of one kind is checked afterwards.
Prompts = Annotated[list[str | TokenId | TokenIds], Meta(min_length=1)]


class CompletionRequest(SamplingFields, gc=False, kw_only=True):
    """A completion as the client asks for it."""

    model: str
    prompt: str | Prompts | None = None
    suffix: str | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    best_of: Annotated[int, Meta(ge=0, le=20)] | None = None

    # Accepted without effect.
    user: str | None = None

    # Refused unless they change nothing.
    add_special_tokens: bool | None = None
    use_beam_search: bool | None = None

    # Refused.
    prompt_embeds: Any = None
    prompt_logprobs: Any = None
    response_format: Any = None
    guided_json: Any = None
    guided_regex: Any = None
    guided_choice: Any = None
    guided_grammar: Any = None
    structured_outputs: Any = None
    structural_tag: Any = None
    truncate_prompt_tokens: Any = None
    logits_processors: Any = None
    length_penalty: Any = None


REFUSED = (
    "prompt_embeds",
    "prompt_logprobs",
    "response_format",
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "structured_outputs",
    "structural_tag",
    "truncate_prompt_tokens",
    "logits_processors",
    "length_penalty",
)


def decode_completion(body: bytes) -> CompletionRequest:
    """The request in a body. Raises InvalidRequest, whose `param` is the path of the first field found wrong."""
    request = decode(body, CompletionRequest)
    for field in REFUSED:
        if getattr(request, field) is not None:
            raise problems.unsupported(field)
    if request.add_special_tokens is False:
        raise problems.unsupported("add_special_tokens")
    if request.use_beam_search:
        raise problems.unsupported("use_beam_search")
    check_sampling(request, output_limit(request))
    if isinstance(request.prompt, list):
        _check_prompts(request.prompt)
    _check_choices(request)
    if request.echo and request.logprobs is not None:
        message = "'logprobs' cannot be had together with 'echo': the engine does not tell those of a prompt."
        raise problems.invalid_value("logprobs", message)
    return request


def _check_prompts(prompts: list[Any]) -> None:
    """Raises for texts among token ids, and for more prompts than one request may bring."""
    kind = type(prompts[0])
    for index, prompt in enumerate(prompts):
        if type(prompt) is not kind:
            raise problems.wrong_type(f"prompt[{index}]", KINDS[kind], KINDS[type(prompt)])
    if kind is not int and len(prompts) > MOST_PROMPTS:
        raise problems.wrong_length("prompt", "array", "<=", MOST_PROMPTS)


KINDS = {str: "a string", int: "an integer", list: "an array"}


def _check_choices(request: CompletionRequest) -> None:
    """Raises for numbers of choices that do not go together, or are too many."""
    n, candidates = choice_count(request), candidate_count(request)
    if candidates < n:
        raise problems.invalid_value("best_of", "Invalid 'best_of': less than 'n'.")
    if candidates > n and request.stream:
        raise problems.invalid_value("best_of", "Invalid 'best_of': the best of more than 'n' cannot be streamed.")
    if len(_prompts(request)) * candidates > MOST_CHOICES:
        field = "best_of" if candidates > n else "n"
        message = f"Invalid '{field}': all prompts together may have {MOST_CHOICES} choices at most."
        raise problems.invalid_value(field, message)


def candidate_count(request: CompletionRequest) -> int:
    """How many answers to each prompt are made, for the best of them."""
    return request.best_of or choice_count(request)


def output_limit(request: CompletionRequest) -> int:
    """The most tokens of each answer."""
    return request.max_tokens or DEFAULT_TOKENS


def completion_of(request: CompletionRequest) -> Completion:
    """What is asked for."""
    prompts = _prompts(request)
    whole = not isinstance(request.prompt, list) or isinstance(request.prompt[0], int)
    return Completion(
        prompts=prompts,
        params=["prompt"] if whole else [f"prompt[{index}]" for index in range(len(prompts))],
        sampling=sampling(request),
        output_limit=output_limit(request),
        n=choice_count(request),
        best_of=candidate_count(request),
        # Nothing after the gap is no gap.
        suffix=request.suffix or None,
        echo=bool(request.echo),
        stop=stops(request),
        top_logprobs=request.logprobs,
    )


def _prompts(request: CompletionRequest) -> list[Any]:
    prompt = request.prompt
    if not isinstance(prompt, list):
        return [prompt or ""]
    return [prompt] if isinstance(prompt[0], int) else prompt
