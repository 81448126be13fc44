"""`POST /v1/images/generations` and `POST /v1/images/edits`, step by step."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any

from msgspec.structs import replace

from accounts.principals import Principal
from billing.models import Outcome, TokenSource
from inference.admission import too_long
from inference.api.schemas.images import ImageRequest
from inference.backends.tensor_results import Results
from inference.catalogue import Offer
from inference.errors import BackendUnavailable
from inference.failures import BUSY
from inference.image_abilities import abilities_of, check_abilities, size_for
from inference.images.drawing import Drawing, Output
from inference.images.finishing import Finished, finish
from inference.images.sources import Sources, load_sources
from inference.images.threads import beside
from inference.large_requests import beside_the_loop
from inference.meter import CHARACTERS_PER_TOKEN, Settling
from inference.pipeline.answer import Answer, Arrival
from inference.pipeline.attempts import inferred
from inference.pipeline.in_order import in_order
from inference.pipeline.text import Asked
from inference.pipeline.work import admitted, at_once, work_meter
from inference.tokenization import count_tokens
from inference.wire.images import MS_PER_BYTE, ImageEncoder
from inference.work_meter import Handed, WorkMeter

# Between two attempts at a place where the line of those who wait is full.
PAUSE_SECONDS = 0.25


async def images(request: ImageRequest, drawing: Drawing, principal: Principal, arrival: Arrival) -> Answer:
    """Answers a request for images; with `drawing.pictures`, an edit. Raises `ApiError`.

    Everything that can be refused is refused here; a stream's engine is called when its first frame is asked for.
    """
    edit = bool(drawing.pictures)
    capability, endpoint = ("image_edits", "images.edits") if edit else ("images", "images.generations")
    asked = await admitted(principal, arrival, request.model, capability=capability, endpoint=endpoint)
    asked = replace(asked, streamed=bool(request.stream))
    check_abilities(drawing, asked.offer)
    tokens, source = await _prompt_tokens(drawing, asked.offer)
    sources = await load_sources(drawing.pictures, drawing.mask)
    drawing = replace(drawing, size=size_for(drawing, sources.size, asked.offer))
    meter = work_meter(asked)
    handed = meter.hand(tokens, source)
    encoder = ImageEncoder(
        edit=edit,
        created=int(arrival.started_at),
        output_format=drawing.output.format.lower(),
        quality=request.quality,
    )
    made = drawn(drawing, sources, asked, meter, handed)
    if asked.streamed:
        return Answer(asked.headers, frames=_frames(made, encoder, meter))
    async with aclosing(made):
        finished = [image async for image in made]
    size = sum(len(image.base64) for image in finished)
    body = await beside_the_loop(size * MS_PER_BYTE, encoder.whole, finished, meter.entry.input_tokens)
    return Answer(asked.headers, body=body)


async def _frames(
    made: AsyncGenerator[Finished, None], encoder: ImageEncoder, meter: WorkMeter
) -> AsyncGenerator[bytes, None]:
    """The events of a stream."""
    async with aclosing(made):
        async for image in made:
            effort = len(image.base64) * MS_PER_BYTE
            yield await beside_the_loop(effort, encoder.frame, image, meter.entry.input_tokens)


async def _prompt_tokens(drawing: Drawing, offer: Offer) -> tuple[int, TokenSource]:
    """The tokens of the prompt, and of what is not to be drawn, and how they are known.

    Raises `ContextLengthExceeded` for a text that is longer than the model reads.
    """
    texts = {"prompt": drawing.prompt, "negative_prompt": drawing.negative_prompt or ""}
    if offer.assets is None:
        # The operator has given no tokenizer: tokens are a guess, and the engine knows its limit.
        return max(1, sum(map(len, texts.values())) // CHARACTERS_PER_TOKEN), TokenSource.ESTIMATED
    total = 0
    for param, text in texts.items():
        tokens = await count_tokens(offer.assets.tokenizer, text, offer.context_length or None) if text else 0
        if offer.context_length and tokens > offer.context_length:
            raise too_long(offer, tokens, param)
        total += tokens
    return total, TokenSource.COUNTED


async def drawn(
    drawing: Drawing, sources: Sources, asked: Asked, meter: WorkMeter, handed: Handed
) -> AsyncGenerator[Finished, None]:
    """The images in their order; the last only after the usage record is committed.

    Raises `ApiError`. A client that leaves pays for the images that were made; of an answer that fails, for none.
    """
    values = _values(drawing, sources, asked.offer)
    work = partial(_draw, output=drawing.output, offer=asked.offer, meter=meter, handed=handed)
    left = drawing.n
    async with Settling(meter), aclosing(in_order(values, work, at_once=at_once(asked.offer))) as made:
        async for image in made:
            left -= 1
            if not left:
                await meter.settle(Outcome.COMPLETED)
            yield image


async def _draw(
    values: dict[str, list[Any]], *, output: Output, offer: Offer, meter: WorkMeter, handed: Handed
) -> Finished:
    """One image. Raises `ApiError`."""
    found = await _patiently(values, offer, meter)
    meter.made(1)
    if "tokens" in found:
        # Of the prompt, which is the same each time.
        meter.reported(handed, int(sum(found["tokens"])))
    return await beside(finish, found["image"][0], output)


async def _patiently(values: dict[str, list[Any]], offer: Offer, meter: WorkMeter) -> Results:
    """As `inferred`; a request of which a part is drawn waits longer for a place, else that was drawn for nothing."""
    end = time.monotonic() + offer.first_token_timeout
    while True:
        try:
            return await inferred(values, offer, meter)
        except BackendUnavailable as error:
            full = error.reason in (None, BUSY) and error.__cause__ is None
            if not full or not meter.entry.images or time.monotonic() > end:
                raise
        await asyncio.sleep(PAUSE_SECONDS)


def _values(drawing: Drawing, sources: Sources, offer: Offer) -> list[dict[str, list[Any]]]:
    """What each call brings, by source of the tensor map. Images of one request differ in their seed alone."""
    size = drawing.size
    given = {
        "prompt": drawing.prompt,
        "negative_prompt": drawing.negative_prompt,
        "steps": drawing.steps,
        "guidance_scale": drawing.guidance_scale,
        "width": size and size.width,
        "height": size and size.height,
        "mask": sources.mask,
    }
    values: dict[str, list[Any]] = {name: [value] for name, value in given.items() if value is not None}
    if sources.files:
        values["image"] = list(sources.files)
    seeds = abilities_of(offer).seeds
    if not seeds:
        return [values] * drawing.n
    # Without one of ours, an engine that always begins with the same would draw the same again and again.
    seed = secrets.randbelow(seeds) if drawing.seed is None else drawing.seed
    return [{**values, "seed": [(seed + index) % seeds]} for index in range(drawing.n)]
