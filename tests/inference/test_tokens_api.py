"""`POST /v1/auth/token` and the published keys."""

import json
from typing import Any, get_args

import jwt
import pytest

from accounts.models import ApiKey
from accounts.principals import principals
from accounts.scopes import SCOPES
from accounts.selectors import default_project_of
from accounts.services import create_organization, issue_key, revoke_key
from inference.api.schemas.tokens import Scope
from inference.models import ServedModel
from inference.services import publish_model
from tests.inference.conftest import ACTOR, SIZES
from tests.inference.getting import Got, fetch

URL = "/v1/auth/token"
in_database = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key(model: ServedModel) -> str:
    """One that may use two models, one of them granted to nobody."""
    principals.clear()
    publish_model(actor=ACTOR, model_id="acme/large", **SIZES)
    publish_model(actor=ACTOR, model_id="acme/hidden", visibility="granted", **SIZES)
    organization = create_organization(actor=ACTOR, slug="reeder", name="Reederei")
    return issue_key(
        actor=ACTOR,
        project=default_project_of(organization),
        name="shop",
        scopes=["chat", "models"],
        allowed_models=["acme/small", "acme/hidden"],
    ).text


def mint(key: str, **wishes: Any) -> Got:
    return fetch(URL, key, method="POST", body=json.dumps(wishes).encode(), content_type="application/json")


def refused(answer: Got, status: int, code: str | None, param: str | None = None) -> None:
    assert (answer.status, answer.error["code"], answer.error["param"]) == (status, code, param), answer.body


@in_database
def test_a_token_is_answered_as_oauth_does_and_works(key: str) -> None:
    answer = mint(key, scopes=["models"], models=["small"], expires_in=60, label="user:17")
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json
    assert set(found) == {"access_token", "token_type", "expires_in", "scope", "id", "expires_at", "models"}
    assert (found["token_type"], found["expires_in"], found["scope"]) == ("Bearer", 60, "models")
    assert found["models"] == ["acme/small"], "by its id, whatever it was called"
    said = jwt.decode(found["access_token"], options={"verify_signature": False})
    assert (said["label"], said["jti"], said["exp"]) == ("user:17", found["id"], found["expires_at"])
    listed = fetch("/v1/models", found["access_token"])
    assert [entry["id"] for entry in listed.json["data"]] == ["acme/small"]
    assert listed.headers["openai-organization"] == "reeder"
    chat = fetch(
        "/v1/chat/completions", found["access_token"], method="POST", body=b"{}", content_type="application/json"
    )
    refused(chat, 403, "missing_scope")


@in_database
def test_an_empty_body_asks_for_what_the_key_may_do(key: str) -> None:
    found = fetch(URL, key, method="POST").json
    assert (found["scope"], found["models"], found["expires_in"]) == ("chat models", None, 900)
    assert mint(key).json["scope"] == "chat models"
    assert mint(key, scopes=None, models=None, expires_in=None, label=None, more={"unknown": 1}).status == 200


@in_database
def test_tokens_and_strangers_get_none(key: str) -> None:
    token = mint(key).json["access_token"]
    refused(mint(token), 403, "api_key_required")
    refused(fetch(URL, method="POST"), 401, "invalid_api_key")
    refused(fetch(URL, key), 405, "method_not_supported")


@in_database
@pytest.mark.parametrize(
    ("wishes", "status", "code", "param"),
    [
        ({"scopes": ["models", "usage:read"]}, 403, "missing_scope", "scopes[1]"),
        ({"scopes": ["everything"]}, 400, "invalid_value", "scopes[0]"),
        ({"scopes": []}, 400, "empty_array", "scopes"),
        ({"scopes": "chat"}, 400, "invalid_type", "scopes"),
        ({"models": []}, 400, "empty_array", "models"),
        ({"models": ["m"] * 21}, 400, "array_above_max_length", "models"),
        ({"models": ["acme/small", "acme/large"]}, 403, "model_not_allowed", "models[1]"),
        ({"models": ["acme/hidden"]}, 404, "model_not_found", "models[0]"),
        ({"models": ["smal"]}, 404, "model_not_found", "models[0]"),
        ({"expires_in": 0}, 400, "integer_below_min_value", "expires_in"),
        ({"expires_in": 3601}, 400, "integer_above_max_value", "expires_in"),
        ({"expires_in": 10**30}, 400, "integer_above_max_value", "expires_in"),
        ({"label": "two words"}, 400, "invalid_value", "label"),
        ({"label": "x" * 129}, 400, "string_above_max_length", "label"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_by_name(key: str, wishes: Any, status: int, code: str, param: str) -> None:
    refused(mint(key, **wishes), status, code, param)


@in_database
def test_a_body_that_is_no_json_is_refused(key: str) -> None:
    refused(fetch(URL, key, method="POST", body=b"{", content_type="application/json"), 400, None)
    refused(fetch(URL, key, method="POST", body=b"scopes=chat"), 415, "unsupported_content_type")


@in_database
def test_a_token_is_refused_by_the_consumer_once_its_key_is_revoked(key: str) -> None:
    token = mint(key).json["access_token"]
    assert fetch("/v1/models", token).status == 200
    revoke_key(actor=ACTOR, api_key=ApiKey.objects.get())
    answer = fetch("/v1/models", token)
    refused(answer, 401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert token[-20:] not in answer.body.decode()


@in_database
def test_everybody_can_check_a_token_with_the_published_keys(key: str, settings: Any) -> None:
    answer = fetch("/.well-known/jwks.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/jwk-set+json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert {"d", "k"}.isdisjoint(*answer.json["keys"])
    token = mint(key).json["access_token"]
    public = jwt.PyJWKSet.from_dict(answer.json)[jwt.get_unverified_header(token)["kid"]]
    audience = f"{settings.TOKEN_ISSUER}/v1"
    assert jwt.decode(token, public, algorithms=["EdDSA"], audience=audience, issuer=settings.TOKEN_ISSUER)


def test_every_scope_can_be_asked_for() -> None:
    assert set(get_args(Scope)) == set(SCOPES)
