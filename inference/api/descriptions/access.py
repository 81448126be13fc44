"""Access tokens."""

from inference.api.answers.tokens import AccessToken, JsonWebKeySet
from inference.api.openapi import Example, Operation
from inference.api.schemas.tokens import TokenRequest

CREATE_TOKEN = Operation(
    id="createToken",
    summary="Mint an access token",
    tag="Access",
    description="A short-lived token that may do less than the API key that mints it, and dies with it. A token cannot"
    " mint others. Any key may mint, whatever its scopes.",
    request=TokenRequest,
    body_required=False,
    answer=AccessToken,
    errors=frozenset({404}),
    examples={
        "narrow": Example(
            summary="Ten minutes of one model",
            body={"scopes": ["chat"], "models": ["demo-chat"], "expires_in": 600, "label": "user:17"},
        ),
        "plain": Example(summary="What the key may, for a quarter of an hour", body={}),
    },
    example_answer={
        "access_token": "eyJ…",
        "token_type": "Bearer",
        "expires_in": 600,
        "scope": "chat",
        "id": "019aa7c1-5f4e-7cc2-9d3b-0e7f5a2b1c4d",
        "expires_at": 1795276800,
        "models": ["demo-chat"],
    },
)
GET_JWKS = Operation(
    id="getJwks",
    summary="The public keys of access tokens",
    tag="Access",
    answer=JsonWebKeySet,
    answer_media_type="application/jwk-set+json",
)
