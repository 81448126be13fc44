"""Offers as clients see them."""

import time
from typing import Any

from accounts.principals import Principal
from inference.catalogue import Catalogue, Offer
from inference.wire.models import model_object


def described(offer: Offer, catalogue: Catalogue, principal: Principal | None) -> dict[str, Any]:
    """The model object of `offer` for a key, with its organization's prices; None: for everybody, with list prices."""
    organization = None if principal is None else principal.organization_id
    return model_object(
        model_id=offer.model_id,
        created=offer.created,
        owned_by=offer.owned_by,
        context_length=offer.context_length,
        max_output_tokens=offer.max_output_tokens,
        default_output_tokens=offer.default_output_tokens,
        model_class=offer.model_class,
        lifecycle=offer.lifecycle,
        input_modalities=offer.input_modalities,
        output_modalities=offer.output_modalities,
        price=catalogue.prices.find(organization, offer.model_id, offer.model_class, time.time()),
        capabilities=offer.capabilities,
        description=offer.description,
        hugging_face_repository=offer.hugging_face_repository,
        aliases=offer.aliases,
        deprecated_on=offer.deprecated_on,
        retires_on=offer.retires_on,
        replacement=_replacement(offer, catalogue, principal),
        embedding_dimensions=offer.embedding_dimensions,
        image_sizes=offer.image_sizes if "images" in offer.capabilities else None,
    )


def _replacement(offer: Offer, catalogue: Catalogue, principal: Principal | None) -> str | None:
    """The id of the model that takes its place; None also for one that is hidden from whoever asks."""
    found = catalogue.by_name.get(offer.replacement or "")
    if found is None or not (found.granted is None if principal is None else found.visible_to(principal)):
        return None
    return found.model_id
