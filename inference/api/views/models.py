"""`GET /v1/models` and `GET /v1/models/{id}`: what this key may use."""

import msgspec
from rest_framework.request import Request
from rest_framework.response import Response

from inference.admission import lifecycle_headers, model_not_found
from inference.api.base import ApiView
from inference.catalogue import Offer, catalogue
from inference.wire.models import model_list, model_object


def _object(offer: Offer) -> dict[str, object]:
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
        capabilities=sorted(offer.capabilities),
        description=offer.description,
        hugging_face_repository=offer.hugging_face_repository,
        aliases=offer.aliases,
        deprecated_on=offer.deprecated_on,
        retires_on=offer.retires_on,
        replacement=offer.replacement,
    )


class ModelsView(ApiView):
    """The list."""

    scope = "models"

    async def get(self, request: Request) -> Response:
        """The models that this key may call."""
        offers = (await catalogue.current()).offers
        return self.json(msgspec.json.encode(model_list([_object(o) for o in offers if o.usable_by(self.principal)])))


class ModelView(ApiView):
    """One model, by its id or an alias."""

    scope = "models"

    async def get(self, request: Request, model_id: str) -> Response:
        """The model; 404 for one that does not exist or that this key may not use."""
        offer = (await catalogue.current()).by_name.get(model_id)
        if offer is None or not offer.usable_by(self.principal):
            raise model_not_found(model_id)
        return self.json(msgspec.json.encode(_object(offer)), headers=lifecycle_headers(offer))
