"""`GET /v1/models` and `GET /v1/models/{id}`: what this key may use."""

import msgspec
from rest_framework.request import Request
from rest_framework.response import Response

from inference.admission import lifecycle_headers, model_not_found
from inference.api.base import ApiView
from inference.api.descriptions.models import GET_MODEL, LIST_MODELS
from inference.api.offers import described
from inference.catalogue import catalogue
from inference.wire.models import model_list


class ModelsView(ApiView):
    """The list."""

    scope = "models"
    operations = {"GET": LIST_MODELS}

    async def get(self, request: Request) -> Response:
        """The models that this key may call, with its organization's prices."""
        offers = await catalogue.current()
        usable = [
            described(offer, offers, self.principal) for offer in offers.offers if offer.usable_by(self.principal)
        ]
        return self.json(msgspec.json.encode(model_list(usable)))


class ModelView(ApiView):
    """One model, by its id or an alias."""

    scope = "models"
    operations = {"GET": GET_MODEL}

    async def get(self, request: Request, model_id: str) -> Response:
        """The model; 404 for one that does not exist or that this key may not use."""
        now = await catalogue.current()
        offer = now.by_name.get(model_id)
        if offer is None or not offer.usable_by(self.principal):
            raise model_not_found(now, self.principal, model_id)
        answer = msgspec.json.encode(described(offer, now, self.principal))
        return self.json(answer, headers=lifecycle_headers(offer))
