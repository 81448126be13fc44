"""`POST /v1/embeddings`, step by step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from accounts.principals import Principal
from inference.admission import assets_of
from inference.api.schemas import problems
from inference.api.schemas.embeddings import EmbeddingsRequest, Inputs
from inference.backends.tensor_results import normalized
from inference.catalogue import Offer
from inference.errors import BackendFailed
from inference.failures import Reason
from inference.large_requests import beside_the_loop
from inference.pipeline.answer import Answer, Arrival
from inference.pipeline.text_work import TextWork
from inference.pipeline.work import accounted, admitted, batches, side_by_side
from inference.text_sizes import sizes_of
from inference.tokenization import Tokenizer, beside_counting
from inference.wire.embeddings import embeddings_body, encoding_ms

CHARACTERS_PER_TOKEN = 8


async def embeddings(request: EmbeddingsRequest, inputs: Inputs, principal: Principal, arrival: Arrival) -> Answer:
    """Answers a request; raises `ApiError`. Texts go to engines in batches, a few of them at once."""
    asked = await admitted(principal, arrival, request.model, capability="embeddings", endpoint="embeddings")
    offer = asked.offer
    _check_dimensions(offer, request.dimensions)
    texts = await _texts(inputs, offer)
    total = settings.EMBEDDING_TOKENS_PER_REQUEST
    sizes = await sizes_of([(text,) for text in texts], offer, total=total, param=inputs.param)
    work = TextWork(asked, sizes, total=total, param=inputs.param)

    async def call(part: slice) -> NDArray[np.float32]:
        found = await work.call(part, {"input": texts[part]})
        return found["embedding"]  # type: ignore[return-value]

    async def answer() -> bytes:
        vectors = await side_by_side(batches(len(texts), offer), call, offer)
        return await beside_the_loop(
            encoding_ms(sum(part.size for part in vectors), as_base64=request.encoding_format == "base64"),
            _body,
            vectors,
            request,
            model=offer.model_id,
            tokens=work.tokens(),
        )

    return Answer(asked.headers, body=await accounted(answer(), work.meter))


def _body(vectors: Sequence[NDArray[np.float32]], request: EmbeddingsRequest, *, model: str, tokens: int) -> bytes:
    if len({part.shape[1] for part in vectors}) > 1:
        raise _nonsense()
    rows = vectors[0] if len(vectors) == 1 else np.concatenate(vectors)
    if request.dimensions is not None:
        if request.dimensions > rows.shape[1]:
            raise _nonsense()
        if request.dimensions < rows.shape[1]:
            # Matryoshka embeddings: the beginning of one is one.
            rows = normalized(rows[:, : request.dimensions])
    return embeddings_body(rows, model=model, tokens=tokens, as_base64=request.encoding_format == "base64")


def _nonsense() -> BackendFailed:
    error = BackendFailed("The model's answer could not be read.")
    error.reason = Reason.ENGINE_ERROR
    return error


def _check_dimensions(offer: Offer, dimensions: int | None) -> None:
    """Raises `InvalidRequest` for a size that the model's embeddings do not come in."""
    if dimensions is None or dimensions in offer.embedding_dimensions:
        return
    if not offer.embedding_dimensions:
        raise problems.unsupported("dimensions")
    sizes = ", ".join(map(str, sorted(offer.embedding_dimensions)))
    message = f"Invalid 'dimensions': this model's embeddings come in {sizes} dimensions."
    raise problems.invalid_value("dimensions", message)


async def _texts(inputs: Inputs, offer: Offer) -> Sequence[str]:
    """The texts to embed: engines take no token ids of clients, which may be another model's."""
    if not inputs.token_ids:
        return inputs.texts
    if offer.assets is None:
        message = "This model takes texts, not token ids."
        raise problems.invalid_value(inputs.param(0), message)
    size = sum(map(len, inputs.token_ids)) * CHARACTERS_PER_TOKEN
    return await beside_counting(size, _decoded, assets_of(offer).tokenizer, inputs)


def _decoded(tokenizer: Tokenizer, inputs: Inputs) -> list[str]:
    """The texts behind token ids. Raises `InvalidRequest` for what are none of this model."""
    texts: list[Any] = []
    for index, ids in enumerate(inputs.token_ids):
        text = None
        if max(ids) < tokenizer.vocabulary_size:
            text = tokenizer.text_of(ids)
        if not text:
            message = f"Invalid '{inputs.param(index)}': these are no token ids of a text in this model's vocabulary."
            raise problems.invalid_value(inputs.param(index), message)
        texts.append(text)
    return texts
