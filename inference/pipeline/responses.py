"""`POST /v1/responses` and `POST /v1/responses/input_tokens`, step by step."""

from functools import partial

from accounts.principals import Principal
from inference.admission import admit_model, answer_headers, answer_limit, assets_of, output_tokens
from inference.api.schemas.responses import (
    SEALED_REASONING,
    Asking,
    InputRequest,
    ResponsesRequest,
    asking_of,
    conversion_ms,
    echo_of,
    wants,
)
from inference.catalogue import Offer, catalogue
from inference.conversation import Conversation
from inference.errors import ContextLengthExceeded, InvalidRequest
from inference.generation import Generation
from inference.large_requests import beside_the_loop
from inference.pipeline.answer import Answer, Arrival
from inference.pipeline.text import Asked, answered, generation_of, prompt_of
from inference.runs import runs_of
from inference.sealed_reasoning import open_reasoning, seal_reasoning
from inference.tokenization import count_tokens
from inference.truncation import cut_to, cuts_of
from inference.wire.responses import ResponseEncoder, input_tokens_object

# Encoding what a response repeats of its request, three times over in a stream.
ECHO_MS_PER_BYTE = 5e-6
# An answer that is left less of the context than this part of it has not enough room, unless it asks for less.
ROOM = 8


async def response(request: ResponsesRequest, principal: Principal, arrival: Arrival, *, body_bytes: int) -> Answer:
    """Answers a request whose body had `body_bytes`; raises `ApiError`.

    Everything that can be refused is refused here; the engine is called when the answer's body or first frame is
    asked for.
    """
    offers = await catalogue.current()
    offer = admit_model(offers, principal, request.model, capability="chat")
    asked = Asked(principal, arrival, offers, offer, request.model, "responses", bool(request.stream))
    asking = await _asking(request, principal, offer, body_bytes)
    generation = await _generation(request, asking.conversation, asked)
    events = answered(generation, asked, asking.conversation)
    sealing = partial(seal_reasoning, organization_id=principal.organization_id, model_id=offer.model_id)
    encoder = await beside_the_loop(
        body_bytes * ECHO_MS_PER_BYTE,
        ResponseEncoder,
        names=asking.offered.names,
        logprobs=generation.top_logprobs is not None,
        seal=sealing if wants(request, SEALED_REASONING) else None,
        request_id=generation.request_id,
        created=int(arrival.started_at),
        model=offer.model_id,
        echo=echo_of(request, asking.offered),
    )
    if request.stream:
        return Answer(asked.headers, frames=events, encode=encoder.frame, failed=encoder.failed)
    for event in await runs_of(events):
        encoder.frame(event)
    return Answer(asked.headers, body=encoder.body)


async def count_input(request: InputRequest, principal: Principal, *, body_bytes: int) -> Answer:
    """The tokens of a request's input, as the model would be given it; no engine is asked, and nothing is billed.

    Raises `ApiError`. What does not fit into the model's context is counted, too.
    """
    offers = await catalogue.current()
    offer = admit_model(offers, principal, request.model, capability="chat")
    asking = await _asking(request, principal, offer, body_bytes)
    if asking.conversation.pictures:
        message = "Images cannot be counted: only the engine knows how many tokens it makes of one."
        raise InvalidRequest(message, param="input", code="unsupported_value")
    prompt = await prompt_of(asking.conversation, offer, variables_bytes=0)
    tokens = await count_tokens(assets_of(offer).tokenizer, prompt)
    return Answer(answer_headers(offer, request.model), body=input_tokens_object(tokens))


async def _asking(request: InputRequest, principal: Principal, offer: Offer, body_bytes: int) -> Asking:
    opening = partial(open_reasoning, organization_id=principal.organization_id, model_id=offer.model_id)
    return await beside_the_loop(conversion_ms(request, body_bytes), asking_of, request, opening)


async def _generation(request: ResponsesRequest, conversation: Conversation, asked: Asked) -> Generation:
    """The prompt; with `truncation: auto`, of as much of the conversation as leaves room for an answer."""
    offer = asked.offer
    if request.truncation != "auto":
        # A message takes a token at least: what is too long by their number alone need not be rendered.
        output_tokens(offer, len(conversation.messages), None, param="input")
        return await generation_of(conversation, asked, variables_bytes=0)
    room = min(answer_limit(offer, conversation.output_limit), offer.context_length // ROOM)
    try:
        found = await generation_of(conversation, asked, variables_bytes=0)
    except ContextLengthExceeded:
        if (shortened := await _shortened(conversation, asked, room)) is None:
            raise
        return shortened
    return found if found.max_tokens >= room else await _shortened(conversation, asked, room) or found


async def _shortened(conversation: Conversation, asked: Asked, room: int) -> Generation | None:
    """The prompt of the longest part that leaves `room` tokens, else of the one that leaves most; None: none fits."""
    found: Generation | None = None
    # Each leaves out more than the one before: the right one is found by halving.
    cuts = cuts_of(conversation)
    while cuts:
        middle = len(cuts) // 2
        try:
            one = await generation_of(cut_to(conversation, cuts[middle]), asked, variables_bytes=0)
        except ContextLengthExceeded:
            cuts = cuts[middle + 1 :]
            continue
        enough = one.max_tokens >= room
        if enough or found is None or found.max_tokens < room:
            found = one
        cuts = cuts[:middle] if enough else cuts[middle + 1 :]
    return found
