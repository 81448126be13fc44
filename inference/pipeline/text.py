"""From a conversation to the events of an answer that is metered: what chat completions and responses share."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from accounts.principals import Principal
from inference.admission import answer_headers, answer_limit, assets_of, check_token_ids, output_tokens
from inference.api.schemas.problems import unsupported
from inference.backends.triton_options import guided_key
from inference.catalogue import Catalogue, Offer
from inference.choices import every_choice
from inference.conversation import Conversation, Tooling
from inference.errors import InvalidRequest
from inference.forced_calls import guided_structure, guiding_ms
from inference.generation import EventStream, Generation, Sampling, Structure
from inference.images import load_pictures
from inference.large_requests import beside_the_loop
from inference.meter import CHARACTERS_PER_TOKEN, Request, TextMeter, metered
from inference.parsing import parsed
from inference.pipeline.answer import Arrival
from inference.pipeline.attempts import routed
from inference.structure import StructureCheck, structured
from inference.tokenization import count_tokens, may_well_fit
from inference.tool_calling import Calling, called, short_ids

# By which of a template's variables a client speaks of thinking.
THINKING = frozenset({"enable_thinking", "reasoning_effort"})


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

    @property
    def metering(self) -> Request:
        """What a meter is told of the request."""
        offer, arrival, principal = self.offer, self.arrival, self.principal
        at = arrival.started_at
        return {
            "request_id": arrival.request_id,
            "principal": principal,
            "model_id": offer.model_id,
            "endpoint": self.endpoint,
            "streamed": self.streamed,
            "price": self.catalogue.prices.find(principal.organization_id, offer.model_id, offer.model_class, at),
            "started_at": at,
            "arrived": arrival.monotonic,
        }


async def generation_of(conversation: Conversation, asked: Asked, *, variables_bytes: int) -> Generation:
    """The rendered prompt with its limits; `variables_bytes` is the most that the template's variables take.

    Raises `ContextLengthExceeded`, and `InvalidRequest` for what the template or the model's vocabulary refuses.
    """
    offer = asked.offer
    tooling = _offered(conversation, offer)
    _check_sight(conversation, offer)
    structure = await _guided(tooling, conversation)
    chosen = await beside_the_loop(token_ids_ms(conversation.sampling), _chosen, conversation.sampling, offer, tooling)
    prompt = await _rendered(conversation, offer, tooling, structure, variables_bytes)
    wanted = conversation.output_limit
    prompt_tokens, counted = await prompt_size(prompt, offer, wanted)
    return Generation(
        request_id=str(asked.arrival.request_id),
        prompt=prompt,
        prompt_tokens=prompt_tokens,
        # What an image takes, the engine alone knows.
        prompt_counted=counted and not conversation.pictures,
        max_tokens=output_tokens(offer, prompt_tokens, wanted, param=conversation.param),
        sampling=chosen,
        n=conversation.n,
        stop=conversation.stop,
        top_logprobs=conversation.top_logprobs,
        structure=structure,
        images=await load_pictures(conversation.pictures) if conversation.pictures else (),
        param=conversation.param,
    )


async def prompt_of(conversation: Conversation, offer: Offer, *, variables_bytes: int) -> str:
    """The rendered prompt alone, as of `generation_of`, however long it is."""
    tooling = _offered(conversation, offer)
    _check_sight(conversation, offer)
    structure = await _guided(tooling, conversation)
    return await _rendered(conversation, offer, tooling, structure, variables_bytes)


async def _guided(tooling: Tooling | None, conversation: Conversation) -> Structure | None:
    """What the engine is to be held to."""
    wanted = conversation.structure
    return await beside_the_loop(guiding_ms(tooling, wanted), guided_structure, tooling, wanted)


async def _rendered(
    conversation: Conversation,
    offer: Offer,
    tooling: Tooling | None,
    structure: Structure | None,
    variables_bytes: int,
) -> str:
    template = assets_of(offer).chat_template
    messages = conversation.messages
    if offer.tools is not None and offer.tools.short_ids:
        messages = short_ids(messages)
    tools = template_tools(tooling) if tooling else None
    effort = template.effort(messages, variables_bytes, tools)
    variables = conversation.variables if structure is None else _unthinking(conversation.variables, offer)
    try:
        return await beside_the_loop(effort, template.render, messages, tools, **variables)
    except InvalidRequest as refused:
        if refused.param == "messages":
            # The template's only word for a conversation.
            refused.param = conversation.param
        raise


def _offered(conversation: Conversation, offer: Offer) -> Tooling | None:
    """The tools that the model is told of; None: there are none, or it must not call any.

    Raises `InvalidRequest` where the model knows nothing of tools.
    """
    tooling = conversation.tooling
    if tooling is None or not tooling.callable:
        return None
    if offer.tools is None or not assets_of(offer).chat_template.habits.takes_tools:
        raise unsupported("tools")
    return tooling


def template_tools(tooling: Tooling) -> list[dict[str, Any]]:
    """The tools as chat templates take them."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description or "", "parameters": tool.parameters},
        }
        for tool in tooling.tools
    ]


def _unthinking(variables: dict[str, Any], offer: Offer) -> dict[str, Any]:
    """The template's variables for an answer that guided decoding holds to a form from its first token on.

    A model that would think first is told not to, unless the client speaks of thinking.
    """
    guided = any(guided_key(target) for target in offer.targets)
    if offer.reasoning is None or not guided or not THINKING.isdisjoint(variables):
        return variables
    return {**variables, "enable_thinking": False}


def _check_sight(conversation: Conversation, offer: Offer) -> None:
    """Raises `InvalidRequest` for images where the model or its template takes none."""
    pictures = conversation.pictures
    if pictures and ("image" not in offer.input_modalities or assets_of(offer).chat_template.habits.image is None):
        raise unsupported(pictures[0].param)


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


def _chosen(sampling: Sampling, offer: Offer, tooling: Tooling | None) -> Sampling:
    check_token_ids(assets_of(offer), sampling)
    thinking = offer.reasoning is not None and offer.reasoning.special_tokens
    calling = tooling is not None and offer.tools is not None and offer.tools.special_tokens
    if thinking or calling:
        # Else the engine leaves out what tells thinking, answer and calls apart.
        return replace(sampling, skip_special_tokens=False)
    return sampling


def answered(generation: Generation, asked: Asked, conversation: Conversation) -> EventStream:
    """The events of the answer to a conversation, metered; no engine is called before the first is asked for.

    Raises `MeteringUnavailable` where nothing can be recorded.
    """
    meter = text_meter([generation], asked)
    stages = _stages(asked.offer, conversation, generation)

    def answering(single: Generation, *, whole: bool = False) -> EventStream:
        events = routed(single, asked.offer, meter, whole=whole)
        for stage in stages:
            events = stage(events, single)
        return events

    if generation.n == 1:
        events = answering(generation, whole=not asked.streamed)
    else:
        events = every_choice([generation], answering)
    return metered(events, meter, choices=generation.n)


Stage = Callable[[EventStream, Generation], EventStream]


def _stages(offer: Offer, conversation: Conversation, generation: Generation) -> list[Stage]:
    """What a choice's events go through, as far as the model and the conversation ask for it."""
    stages: list[Stage] = []
    markers, tokenizer = offer.reasoning, assets_of(offer).tokenizer
    if markers is not None:
        stages.append(lambda events, single: parsed(events, single, markers, tokenizer))
    tooling, structure = _offered(conversation, offer), conversation.structure
    if tooling is not None and offer.tools is not None:
        calling = Calling(
            tooling,
            offer.tools,
            structured=structure is not None,
            logprobs=generation.top_logprobs is not None,
        )
        stages.append(lambda events, _: called(events, calling))
    if structure is not None:
        check = StructureCheck(structure)
        stages.append(lambda events, _: structured(events, check))
    return stages


def text_meter(generations: Sequence[Generation], asked: Asked) -> TextMeter:
    """The meter of a request by one prompt or several. Raises `MeteringUnavailable` where nothing can be recorded."""
    return TextMeter(generations=generations, tokenizer=assets_of(asked.offer).tokenizer, **asked.metering)
