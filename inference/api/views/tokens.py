"""`POST /v1/auth/token`, and the public keys that its tokens can be checked with."""

import msgspec
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import NotPermitted
from accounts.minting import mint_token
from accounts.tokens import keyring
from inference.admission import model_not_found
from inference.api.base import ApiView
from inference.api.descriptions.access import CREATE_TOKEN, GET_JWKS
from inference.api.schemas.tokens import decode_token_request
from inference.catalogue import catalogue
from inference.wire.tokens import token_answer

JWKS = "application/jwk-set+json"


class TokenView(ApiView):
    """A key mints a token that may do less, for programs that it does not trust with itself."""

    # Whatever a key may do, a token of it may do a part of.
    permission_classes = []
    operations = {"POST": CREATE_TOKEN}

    async def post(self, request: Request) -> Response:
        """The token; never to be kept by proxies."""
        wanted = decode_token_request(self.parsed() if self.has_body() else b"")
        minted = mint_token(
            principal=self.principal,
            scopes=None if wanted.scopes is None else tuple(wanted.scopes),
            models=await self.model_ids(wanted.models or []),
            seconds=wanted.expires_in,
            label=wanted.label,
        )
        return self.json(token_answer(minted), headers={"cache-control": "no-store"})

    async def model_ids(self, names: list[str]) -> tuple[str, ...]:
        """The ids of models by any of their names.

        Raises `ModelNotFound` for one that there is not, `NotPermitted` for one that the key may not use.
        """
        if not names:
            return ()
        now = await catalogue.current()
        ids = []
        for index, name in enumerate(names):
            offer = now.by_name.get(name)
            if offer is None or not offer.visible_to(self.principal):
                error = model_not_found(now, self.principal, name)
                error.param = f"models[{index}]"
                raise error
            if not offer.usable_by(self.principal):
                raise NotPermitted(
                    f"This API key may not use the model `{offer.model_id}`.",
                    param=f"models[{index}]",
                    code="model_not_allowed",
                )
            ids.append(offer.model_id)
        return tuple(ids)


class JwksView(ApiView):
    """For everybody: the keys that sign tokens, and those that did or will."""

    authentication_classes = []
    permission_classes = []
    operations = {"GET": GET_JWKS}

    async def get(self, request: Request) -> Response:
        """A JSON Web Key Set."""
        headers = {"cache-control": "public, max-age=300", "access-control-allow-origin": "*"}
        response = self.json(msgspec.json.encode(keyring().jwks()), headers=headers)
        response.accepted_media_type = JWKS
        return response
