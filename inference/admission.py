"""Admission: may this key use this model for this request, and how long may the answer be."""

from datetime import UTC, datetime, time
from email.utils import format_datetime

from accounts.errors import NotPermitted
from accounts.principals import Principal
from inference.catalogue import Catalogue, Offer
from inference.errors import BackendUnavailable, ContextLengthExceeded, InvalidRequest, ModelNotFound
from inference.generation import Sampling
from inference.models import Lifecycle
from inference.near_names import LONGEST
from inference.tokenization import ModelAssets


def model_not_found(catalogue: Catalogue, principal: Principal, name: str) -> ModelNotFound:
    """The error for a name behind which this organization finds nothing: OpenAI's words, and what may be meant."""
    message = f"The model `{name[:LONGEST]}` does not exist or you do not have access to it."
    near = [f"`{known}`" for known in catalogue.near_names(name, principal)]
    if near:
        message += f" Did you mean {' or '.join(filter(None, (', '.join(near[:-1]), near[-1])))}?"
    return ModelNotFound(message, param="model")


def admit_model(catalogue: Catalogue, principal: Principal, name: str, *, capability: str) -> Offer:
    """The offer behind `name`, or the organization's fallback where there is none; `answer_headers` says so.

    Raises `ModelNotFound` for a name that does not exist or that this organization may not know of, or a model that
    does not do `capability`; `NotPermitted` (model_not_allowed) where the organization may and only the key may not.
    """
    offer = catalogue.by_name.get(name)
    if offer is None or not offer.visible_to(principal):
        fallback = catalogue.fallback(principal, capability)
        if fallback is None:
            raise model_not_found(catalogue, principal, name)
        return fallback
    if not offer.usable_by(principal):
        raise NotPermitted(
            f"This API key may not use the model `{offer.model_id}`.", param="model", code="model_not_allowed"
        )
    if capability not in offer.capabilities:
        raise ModelNotFound(f"The model `{offer.model_id}` does not serve this endpoint.", param="model")
    return offer


def assets_of(offer: Offer) -> ModelAssets:
    """The model's tokenizer and template; raises `BackendUnavailable` where the operator's files are broken."""
    if offer.assets is None:
        raise BackendUnavailable("The model is temporarily unavailable.", headers={"retry-after": "60"})
    return offer.assets


def answer_limit(offer: Offer, wanted: int | None) -> int:
    """The most tokens of the answer as far as the model's own limits go."""
    return min(wanted or offer.default_output_tokens, offer.max_output_tokens)


def output_tokens(offer: Offer, prompt_tokens: int, wanted: int | None, *, param: str = "messages") -> int:
    """The most tokens of the answer: what was asked for or the model's default, within its limit and the context.

    More than fits is not an error: clients such as opencode always ask for 32,000. Raises `ContextLengthExceeded`
    when the prompt leaves no room at all.
    """
    room = offer.context_length - prompt_tokens
    if room < 1:
        raise too_long(offer, prompt_tokens, param)
    return min(answer_limit(offer, wanted), room)


def too_long(offer: Offer, prompt_tokens: int, param: str = "messages") -> ContextLengthExceeded:
    """The error for a prompt that leaves no room for an answer, in OpenAI's words, which clients look for."""
    return ContextLengthExceeded(
        f"This model's maximum context length is {offer.context_length} tokens. "
        f"However, your {param} resulted in {prompt_tokens} tokens. Please reduce the length of the {param}.",
        param=param,
    )


def answer_headers(offer: Offer, asked: str) -> dict[str, str]:
    """The headers of a model's answer: its lifecycle, and that it stands in where another name was `asked` for."""
    headers = lifecycle_headers(offer)
    if asked != offer.model_id and asked not in offer.aliases:
        headers["x-hanse-model-fallback"] = offer.model_id
    return headers


def lifecycle_headers(offer: Offer) -> dict[str, str]:
    """`Deprecation` (RFC 9745) and `Sunset` (RFC 8594) of a model on its way out."""
    headers = {}
    if offer.lifecycle == Lifecycle.DEPRECATED:
        since = offer.deprecated_on or datetime.now(UTC).date()
        headers["deprecation"] = f"@{int(datetime.combine(since, time(), UTC).timestamp())}"
        if offer.retires_on is not None:
            headers["sunset"] = format_datetime(datetime.combine(offer.retires_on, time(), UTC), usegmt=True)
    return headers


def check_token_ids(assets: ModelAssets, sampling: Sampling) -> None:
    """Raises `InvalidRequest` for token ids that the model does not have; the engine would fail on them."""
    size = assets.tokenizer.vocabulary_size
    named = {
        "logit_bias": sampling.logit_bias or (),
        "allowed_token_ids": sampling.allowed_token_ids,
        "stop_token_ids": sampling.stop_token_ids,
    }
    for name, ids in named.items():
        if len(ids) > size:
            raise InvalidRequest(f"'{name}' has more token ids than this model.", param=name, code="invalid_value")
        if any(not 0 <= token < size for token in ids):
            raise InvalidRequest(
                f"'{name}' names a token id that this model does not have: they go from 0 to {size - 1}.",
                param=name,
                code="invalid_value",
            )
