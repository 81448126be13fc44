"""`POST /v1/completions`, step by step."""

import math
from collections.abc import Sequence

from msgspec.structs import replace

from accounts.principals import Principal
from inference.admission import admit_model, assets_of, check_token_ids, output_tokens
from inference.api.schemas import problems
from inference.api.schemas.completions import CompletionRequest, completion_of
from inference.api.schemas.sampling import wants_usage
from inference.catalogue import Offer, catalogue
from inference.choices import every_choice
from inference.completion import Completion
from inference.generation import EventStream, Generation
from inference.large_requests import beside_the_loop
from inference.meter import metered
from inference.pipeline.answer import Answer, Arrival
from inference.pipeline.attempts import routed
from inference.pipeline.text import Asked, prompt_size, text_meter, token_ids_ms
from inference.tokenization import DECODING_MS_PER_TOKEN, ModelAssets
from inference.transcript import Choice, collected
from inference.wire.chat import Description
from inference.wire.completions import CompletionEncoder, completion

# What all choices together may repeat of their prompts.
MOST_ECHOED = 2_000_000


async def text_completion(request: CompletionRequest, principal: Principal, arrival: Arrival) -> Answer:
    """Answers a request; raises `ApiError`. As of chat completions, what can be refused is refused here."""
    offers = await catalogue.current()
    offer = admit_model(offers, principal, request.model, capability="completions")
    asked = Asked(principal, arrival, offers, offer, request.model, "completions", bool(request.stream))
    wanted = completion_of(request)
    await beside_the_loop(token_ids_ms(wanted.sampling), check_token_ids, assets_of(offer), wanted.sampling)
    texts = [await _text(prompt, param, offer) for prompt, param in zip(wanted.prompts, wanted.params, strict=True)]
    generations = [
        await _generation(text, param, wanted, asked) for text, param in zip(texts, wanted.params, strict=True)
    ]
    echoes = _echoes(texts, wanted)
    events = _answered(generations, asked)
    described: Description = {
        "request_id": str(arrival.request_id),
        "created": int(arrival.started_at),
        "model": offer.model_id,
        "logprobs": wanted.top_logprobs is not None,
    }
    count = wanted.best_of * len(generations)
    if request.stream:
        encoder = CompletionEncoder(**described, echoes=echoes, choices=count, include_usage=wants_usage(request))
        return Answer(asked.headers, frames=events, encode=encoder.frame)
    choices, usage = await collected(events, choices=count)
    return Answer(asked.headers, body=completion(best(choices, wanted), usage, echoes=echoes, **described))


async def _text(prompt: str | Sequence[int], param: str, offer: Offer) -> str:
    """A prompt's text: engines take nothing else. Raises `InvalidRequest`."""
    assets = assets_of(offer)
    if isinstance(prompt, str):
        if prompt:
            return prompt
        start = assets.tokenizer.document_start
        if start is None:
            raise problems.missing(param)
        return start
    # Those that could not fit in any case need not be looked at.
    output_tokens(offer, len(prompt), None, param="prompt")
    return await beside_the_loop(len(prompt) * DECODING_MS_PER_TOKEN, _decoded, prompt, param, assets)


def _decoded(ids: Sequence[int], param: str, assets: ModelAssets) -> str:
    tokenizer = assets.tokenizer
    size = tokenizer.vocabulary_size
    if max(ids) >= size:
        message = f"Invalid '{param}': a token id that this model does not have: they go from 0 to {size - 1}."
        raise problems.invalid_value(param, message)
    text = tokenizer.text_of(ids)
    if text is None:
        message = f"Invalid '{param}': no text is tokenized like this by the model. Send the text instead."
        raise problems.invalid_value(param, message)
    return text


async def _generation(text: str, param: str, wanted: Completion, asked: Asked) -> Generation:
    """The request to an engine for one prompt's choices. Raises `InvalidRequest`."""
    offer = asked.offer
    if wanted.suffix is not None:
        fim = assets_of(offer).fim
        if fim is None:
            raise problems.unsupported("suffix")
        text = await beside_the_loop(fim.effort(text, wanted.suffix), fim.render, text, wanted.suffix)
    prompt_tokens, counted = await prompt_size(text, offer, wanted.output_limit)
    top_logprobs = wanted.top_logprobs
    if wanted.best_of > wanted.n and top_logprobs is None:
        # By them the best are found.
        top_logprobs = 0
    return Generation(
        request_id=str(asked.arrival.request_id),
        prompt=text,
        prompt_tokens=prompt_tokens,
        prompt_counted=counted,
        max_tokens=output_tokens(offer, prompt_tokens, wanted.output_limit, param="prompt"),
        sampling=wanted.sampling,
        n=wanted.best_of,
        stop=wanted.stop,
        top_logprobs=top_logprobs,
        param="prompt",
    )


def _echoes(texts: Sequence[str], wanted: Completion) -> list[str]:
    """What each choice that the client gets begins with. Raises `InvalidRequest` for too much of it."""
    if not wanted.echo:
        return []
    if sum(map(len, texts)) * wanted.n > MOST_ECHOED:
        message = f"Invalid 'echo': all choices together may repeat {MOST_ECHOED} characters of their prompts at most."
        raise problems.invalid_value("echo", message)
    return [text for text in texts for _ in range(wanted.n)]


def _answered(generations: Sequence[Generation], asked: Asked) -> EventStream:
    """The events of all choices, metered. What a model thinks is part of its text: there is no other place for it."""
    meter = text_meter(generations, asked)
    count = sum(generation.n for generation in generations)
    if count == 1:
        events = routed(generations[0], asked.offer, meter, whole=not asked.streamed)
    else:
        events = every_choice(generations, lambda single: routed(single, asked.offer, meter))
    return metered(events, meter, choices=count)


def best(choices: Sequence[Choice], wanted: Completion) -> list[Choice]:
    """The `n` best of the `best_of` answers to each prompt, by the mean logprob of their tokens, numbered anew."""
    if wanted.best_of == wanted.n:
        return list(choices)
    found: list[Choice] = []
    for first in range(0, len(choices), wanted.best_of):
        ranked = sorted(choices[first : first + wanted.best_of], key=_mean_logprob, reverse=True)
        found += ranked[: wanted.n]
    return [replace(choice, index=index) for index, choice in enumerate(found)]


def _mean_logprob(choice: Choice) -> float:
    """What is next to impossible, or has no tokens, comes last."""
    logprobs = [token.logprob for token in choice.logprobs]
    mean = sum(logprobs) / len(logprobs) if logprobs else -math.inf
    return -math.inf if math.isnan(mean) else mean
