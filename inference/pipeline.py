"""The way of a request, step by step: start reading here.

decode (api.schemas) → admit (admission) → render and count (chat_template, tokenization) → route (routing) → backend
(backends) ═ typed events ═ parse (parsing, parsers) ═ gather (choices) ═ meter (meter, billing.metering) → encode
(wire). Each step over the events is an async generator; closing the last one closes them all, down to the engine.
"""

import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from accounts.errors import ApiError
from accounts.principals import Principal
from inference.admission import (
    admit_model,
    answer_headers,
    answer_limit,
    assets_of,
    check_token_ids,
    output_tokens,
    too_long,
)
from inference.api.schemas.chat import (
    ChatRequest,
    choice_count,
    conversion_ms,
    output_limit,
    sampling,
    stops,
    template_messages,
    template_variables,
    token_ids_ms,
    wanted_logprobs,
    wants_usage,
)
from inference.backends import BACKENDS
from inference.catalogue import Offer, catalogue
from inference.choices import every_choice
from inference.deadline import Deadline
from inference.errors import BackendFailed, BackendTimeout, BackendUnavailable, ContextLengthExceeded, EngineRefused
from inference.failures import MOST_BROKEN, may_have_broken
from inference.generation import EventStream, Finish, Generation, Restart, Sampling, Usage
from inference.large_requests import beside_the_loop
from inference.meter import CHARACTERS_PER_TOKEN, Meter, metered
from inference.parsing import parsed
from inference.probing import watch
from inference.routing import router
from inference.tokenization import count_tokens, may_well_fit
from inference.wire.chat import ChatEncoder, Choice, Description, Transcript, completion

EVENT_STREAM = "text/event-stream; charset=utf-8"


class Arrival(Struct, frozen=True):
    """When a request came (Unix and monotonic seconds) and the id it got."""

    request_id: uuid.UUID
    started_at: float
    monotonic: float


class Answer(Struct):
    """What a view sends: a whole body, or frames (server-sent events unless `content_type` says else) as they come.

    With `encode`, `frames` are events of which it makes bytes, none of some: cheaper than one more generator.
    """

    headers: dict[str, str]
    body: bytes = b""
    frames: AsyncGenerator[Any, None] | None = None
    encode: Callable[[Any], bytes] | None = None
    content_type: str = EVENT_STREAM


async def chat_completion(request: ChatRequest, principal: Principal, arrival: Arrival, *, body_bytes: int) -> Answer:
    """Answers `POST /v1/chat/completions`, whose body had `body_bytes`; raises `ApiError`.

    Everything that can be refused is refused here; the engine is called when the answer's body or first frame is
    asked for.
    """
    offers = await catalogue.current()
    offer = admit_model(offers, principal, request.model, capability="chat")
    generation = await _generation(request, offer, arrival, body_bytes)
    meter = Meter(
        request_id=arrival.request_id,
        principal=principal,
        model_id=offer.model_id,
        endpoint="chat.completions",
        streamed=bool(request.stream),
        price=offers.prices.find(principal.organization_id, offer.model_id, offer.model_class, arrival.started_at),
        generation=generation,
        tokenizer=assets_of(offer).tokenizer,
        started_at=arrival.started_at,
        arrived=arrival.monotonic,
    )

    def answering(single: Generation, *, whole: bool = False) -> EventStream:
        events = routed(single, offer, meter, whole=whole)
        return parsed(events, single, offer.reasoning, assets_of(offer).tokenizer) if offer.reasoning else events

    if generation.n == 1:
        answered = answering(generation, whole=not request.stream)
    else:
        answered = every_choice(generation, answering)
    events = metered(answered, meter, choices=generation.n)
    described: Description = {
        "request_id": generation.request_id,
        "created": int(arrival.started_at),
        "model": offer.model_id,
        "logprobs": generation.top_logprobs is not None,
    }
    headers = answer_headers(offer, request.model)
    if request.stream:
        encoder = ChatEncoder(**described, n=generation.n, include_usage=wants_usage(request))
        return Answer(headers, frames=events, encode=encoder.frame)
    choices, usage = await _collected(events, choices=generation.n)
    return Answer(headers, body=completion(choices, usage, **described))


async def _generation(request: ChatRequest, offer: Offer, arrival: Arrival, body_bytes: int) -> Generation:
    assets = assets_of(offer)
    # A message takes a token at least: what is too long by their number alone need not be rendered.
    output_tokens(offer, len(request.messages), None)
    chosen = await beside_the_loop(token_ids_ms(request), _chosen, request, offer)
    messages = await beside_the_loop(conversion_ms(request), template_messages, request)
    effort = assets.chat_template.effort(messages, body_bytes if request.chat_template_kwargs else 0)
    prompt = await beside_the_loop(effort, assets.chat_template.render, messages, **template_variables(request))
    wanted = output_limit(request)
    # Counting is the dearest step: a prompt that should fit is left to the engine, which counts anyway (decision 0013).
    counted = not may_well_fit(prompt, offer.context_length - answer_limit(offer, wanted))
    if counted:
        prompt_tokens = await count_tokens(assets.tokenizer, prompt, offer.context_length)
    else:
        # A guess until the engine tells, for a request that ends before.
        prompt_tokens = max(1, len(prompt) // CHARACTERS_PER_TOKEN)
    return Generation(
        request_id=str(arrival.request_id),
        prompt=prompt,
        prompt_tokens=prompt_tokens,
        prompt_counted=counted,
        max_tokens=output_tokens(offer, prompt_tokens, wanted),
        sampling=chosen,
        n=choice_count(request),
        stop=stops(request),
        top_logprobs=wanted_logprobs(request),
    )


def _chosen(request: ChatRequest, offer: Offer) -> Sampling:
    chosen = sampling(request)
    check_token_ids(assets_of(offer), chosen)
    if offer.reasoning is not None and offer.reasoning.special_tokens:
        # Else the engine leaves out what tells thinking from answer.
        chosen = replace(chosen, skip_special_tokens=False)
    return chosen


async def routed(generation: Generation, offer: Offer, meter: Meter, *, whole: bool = False) -> EventStream:
    """The events of the first deployment that answers; another is tried only while none has sent anything.

    `whole`: the client gets nothing before the end, so that an answer which broke off may begin again elsewhere.
    """
    end = time.monotonic() + offer.total_timeout
    tried: frozenset[str] = frozenset()
    last: ApiError | None = None
    broken = 0
    began = False
    while True:
        if began:
            began = False
            yield Restart()
        try:
            # Where one is slow, so are others that are in trouble: a second attempt there would only add to it.
            healthy_only = isinstance(last, BackendTimeout)
            lease = await router.acquire(offer.model_id, without=tried, healthy_only=healthy_only)
        except BackendUnavailable as error:
            try:
                raise last or error from None
            finally:
                # An error holds this frame, which must not hold it too.
                last = None
        try:
            meter.begin(lease.target.name)
            left = end - time.monotonic()
            with Deadline(first=offer.first_token_timeout, idle=offer.idle_timeout, total=left) as deadline:
                async with aclosing(BACKENDS[lease.target.adapter].stream(generation, lease.target)) as stream:
                    deadline.wait()
                    async for event in stream:
                        deadline.got()
                        if not began:
                            began = True
                            lease.succeeded()
                            if type(event) is Usage and event.input_tokens >= offer.context_length:
                                # Not counted before, and the engine would take more than the operator offers.
                                yield event
                                raise too_long(offer, event.input_tokens)
                        yield event
                        # After the end no engine is waited for: what was answered and billed cannot come too late.
                        if type(event) is not Finish:
                            deadline.wait()
            return
        except ContextLengthExceeded as error:
            if began:
                raise
            raise await _counted(error, generation, offer) from None
        except (BackendFailed, BackendTimeout, BackendUnavailable) as error:
            if lease.failed(error):
                watch(lease.state)
            broken += may_have_broken(error)
            too_late = began and not whole
            if too_late or isinstance(error, EngineRefused) or broken == MOST_BROKEN or time.monotonic() >= end:
                raise
            tried, last = tried | {lease.target.name}, error.with_traceback(None)
        finally:
            lease.release()


async def _counted(refusal: ContextLengthExceeded, generation: Generation, offer: Offer) -> ContextLengthExceeded:
    """An engine's refusal with the number of tokens, which clients show."""
    tokens = await count_tokens(assets_of(offer).tokenizer, generation.prompt)
    # An engine that takes less than the operator offers: the numbers would contradict the refusal.
    return refusal if tokens < offer.context_length else too_long(offer, tokens)


async def _collected(events: EventStream, *, choices: int) -> tuple[list[Choice], Usage]:
    transcript = Transcript(choices)
    usage = Usage(0, 0)
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Usage):
                usage = event
            elif isinstance(event, Restart):
                transcript = Transcript(choices)
            else:
                transcript.add(event)
    return transcript.choices(), usage


def arrive(request_id: uuid.UUID) -> Arrival:
    """A request that comes in now."""
    return Arrival(request_id, time.time(), time.monotonic())
