"""`POST /v1/chat/completions`, step by step."""

from accounts.principals import Principal
from inference.admission import admit_model, output_tokens
from inference.api.schemas.chat import ChatRequest, conversation_of, conversion_ms, wants_usage
from inference.catalogue import catalogue
from inference.large_requests import beside_the_loop
from inference.pipeline.answer import Answer, Arrival
from inference.pipeline.text import Asked, answered, generation_of
from inference.transcript import collected
from inference.wire.chat import ChatEncoder, Description, completion


async def chat_completion(request: ChatRequest, principal: Principal, arrival: Arrival, *, body_bytes: int) -> Answer:
    """Answers a request whose body had `body_bytes`; raises `ApiError`.

    Everything that can be refused is refused here; the engine is called when the answer's body or first frame is
    asked for.
    """
    offers = await catalogue.current()
    offer = admit_model(offers, principal, request.model, capability="chat")
    asked = Asked(principal, arrival, offers, offer, request.model, "chat.completions", bool(request.stream))
    # A message takes a token at least: what is too long by their number alone need not be rendered.
    output_tokens(offer, len(request.messages), None)
    conversation = await beside_the_loop(conversion_ms(request, body_bytes), conversation_of, request)
    variables_bytes = body_bytes if request.chat_template_kwargs else 0
    generation = await generation_of(conversation, asked, variables_bytes=variables_bytes)
    events = answered(generation, asked, conversation)
    described: Description = {
        "request_id": generation.request_id,
        "created": int(arrival.started_at),
        "model": offer.model_id,
        "logprobs": generation.top_logprobs is not None,
    }
    if request.stream:
        encoder = ChatEncoder(**described, n=generation.n, include_usage=wants_usage(request))
        return Answer(asked.headers, frames=events, encode=encoder.frame)
    choices, usage = await collected(events, choices=generation.n)
    return Answer(asked.headers, body=completion(choices, usage, **described))
