"""From a conversation to the events of an answer that is metered: what chat completions and responses share."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from accounts.principals import Principal
from inference.admission import answer_headers, answer_limit, assets_of, check_token_ids, output_tokens
from inference.catalogue import Catalogue, Offer
from inference.choices import every_choice
from inference.conversation import Conversation
from inference.generation import EventStream, Generation, Sampling
from inference.large_requests import beside_the_loop
from inference.meter import CHARACTERS_PER_TOKEN, TextMeter, metered
from inference.parsing import parsed
from inference.pipeline.answer import Arrival
from inference.pipeline.attempts import routed
from inference.tokenization import count_tokens, may_well_fit


class Asked(Struct, frozen=True):
    """Who asks what of which model: what the steps need to know beside the conversation itself."""

    principal: Principal
    arrival: Arrival
    catalogue: Catalogue
    offer: Offer
    # The model's name in the request.
    name: str
    # As usage records name it, for example "chat.completions".
    endpoint: str
    streamed: bool

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer that tell of the model."""
        return answer_headers(self.offer, self.name)


async def generation_of(conversation: Conversation, asked: Asked, *, variables_bytes: int) -> Generation:
    """The rendered prompt with its limits; `variables_bytes` is the most that the template's variables take.

    Raises `ContextLengthExceeded`, and `InvalidRequest` for what the template or the model's vocabulary refuses.
    """
    offer = asked.offer
    assets = assets_of(offer)
    messages = conversation.messages
    chosen = await beside_the_loop(token_ids_ms(conversation.sampling), _chosen, conversation.sampling, offer)
    effort = assets.chat_template.effort(messages, variables_bytes)
    prompt = await beside_the_loop(effort, assets.chat_template.render, messages, **conversation.variables)
    wanted = conversation.output_limit
    prompt_tokens, counted = await prompt_size(prompt, offer, wanted)
    return Generation(
        request_id=str(asked.arrival.request_id),
        prompt=prompt,
        prompt_tokens=prompt_tokens,
        prompt_counted=counted,
        max_tokens=output_tokens(offer, prompt_tokens, wanted, param=conversation.param),
        sampling=chosen,
        n=conversation.n,
        stop=conversation.stop,
        top_logprobs=conversation.top_logprobs,
        param=conversation.param,
    )


async def prompt_size(prompt: str, offer: Offer, wanted: int | None) -> tuple[int, bool]:
    """The tokens of a prompt for an answer of so many (None: no limit is named), and whether they are counted.

    Counting is the dearest step: a prompt that should fit is left to the engine, which counts anyway (decision 0013),
    and its tokens are a guess until then, for a request that ends before.
    """
    if may_well_fit(prompt, offer.context_length - answer_limit(offer, wanted)):
        return max(1, len(prompt) // CHARACTERS_PER_TOKEN), False
    return await count_tokens(assets_of(offer).tokenizer, prompt, offer.context_length), True


def token_ids_ms(sampling: Sampling) -> float:
    """Milliseconds that a look at each token id that is named takes at most."""
    named = (sampling.logit_bias, sampling.allowed_token_ids, sampling.stop_token_ids)
    return sum(len(ids) for ids in named if ids) * 5e-5


def _chosen(sampling: Sampling, offer: Offer) -> Sampling:
    check_token_ids(assets_of(offer), sampling)
    if offer.reasoning is not None and offer.reasoning.special_tokens:
        # Else the engine leaves out what tells thinking from answer.
        return replace(sampling, skip_special_tokens=False)
    return sampling


def answered(generation: Generation, asked: Asked) -> EventStream:
    """The events of the answer, metered; no engine is called before the first is asked for.

    Raises `MeteringUnavailable` where nothing can be recorded.
    """
    offer = asked.offer
    tokenizer = assets_of(offer).tokenizer
    meter = text_meter([generation], asked)

    def answering(single: Generation, *, whole: bool = False) -> EventStream:
        events = routed(single, offer, meter, whole=whole)
        return parsed(events, single, offer.reasoning, tokenizer) if offer.reasoning else events

    if generation.n == 1:
        events = answering(generation, whole=not asked.streamed)
    else:
        events = every_choice([generation], answering)
    return metered(events, meter, choices=generation.n)


def text_meter(generations: Sequence[Generation], asked: Asked) -> TextMeter:
    """The meter of a request by one prompt or several. Raises `MeteringUnavailable` where nothing can be recorded."""
    offer, arrival, principal = asked.offer, asked.arrival, asked.principal
    return TextMeter(
        request_id=arrival.request_id,
        principal=principal,
        model_id=offer.model_id,
        endpoint=asked.endpoint,
        streamed=asked.streamed,
        price=asked.catalogue.prices.find(
            principal.organization_id, offer.model_id, offer.model_class, arrival.started_at
        ),
        generations=generations,
        tokenizer=assets_of(offer).tokenizer,
        started_at=arrival.started_at,
        arrived=arrival.monotonic,
    )
