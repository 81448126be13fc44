"""`/v1/agent-config` for one key, and `/.well-known/agent-config` for everybody."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest

from accounts.client_address import client_address
from accounts.networks import parse_network
from accounts.selectors import default_project_of
from accounts.services import create_organization, issue_key
from billing.services import set_price
from inference.api.origin import public_origin
from inference.api.views.agent_config import PublicAgentConfigView
from inference.catalogue import catalogue
from inference.errors import InvalidRequest
from inference.models import ServedModel
from inference.routes import endpoints
from inference.services import grant_model, publish_model
from tests.inference.conftest import ACTOR, SIZES
from tests.inference.getting import fetch

PUBLIC = "/.well-known/agent-config"
# The same for everybody, without a key.
OPEN = {PUBLIC, "/.well-known/jwks.json", "/v1/openapi.json"}
# In other endpoints' paths; every parameter of a new one needs a value here.
VALUES = {"model_id": "acme/ours"}
in_database = pytest.mark.django_db(transaction=True)


@pytest.fixture
def keys(model: ServedModel, settings: Any) -> Iterator[tuple[str, str]]:
    """Those of an organization that a model is granted to, with a price of its own, and of an outsider."""
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "", ["localhost"]
    ours = publish_model(actor=ACTOR, model_id="acme/ours", visibility="granted", **SIZES)[0]
    reeder, kontor = (create_organization(actor=ACTOR, slug=slug, name=slug) for slug in ("reeder", "kontor"))
    grant_model(actor=ACTOR, model=ours, organization=reeder)
    set_price(input_nano=1_000_000, output_nano=2_000_000, model_id="acme/small", organization=reeder)
    scopes = ["chat", "models", "usage:read"]
    yield tuple(
        issue_key(actor=ACTOR, project=default_project_of(who), name="key", scopes=scopes).text
        for who in (reeder, kontor)
    )
    PublicAgentConfigView.latest = None


@in_database
def test_a_key_sees_its_models_and_prices(keys: tuple[str, str]) -> None:
    own = fetch("/v1/agent-config", keys[0])
    assert {model["id"]: model["prices"]["input"] for model in own.json["models"]} == {
        "acme/ours": "0.15",
        "acme/small": "0.001",
    }
    assert own.headers["cache-control"] == "private, no-store"
    assert own.json["base_url"] == "http://localhost/v1"
    assert [model["id"] for model in fetch("/v1/agent-config", keys[1]).json["models"]] == ["acme/small"]


@in_database
def test_everybody_sees_the_public_models_with_list_prices(keys: tuple[str, str]) -> None:
    found = fetch(PUBLIC)
    assert found.status == 200
    assert {model["id"]: model["prices"]["input"] for model in found.json["models"]} == {"acme/small": "0.15"}
    assert found.headers["cache-control"] == "public, max-age=60"
    assert found.headers["access-control-allow-origin"] == "*"
    assert "openai-organization" not in found.headers
    assert b"acme/ours" not in found.body
    head = fetch(PUBLIC, method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(found.body)))
    assert fetch(PUBLIC, method="POST").status == 405


@in_database
def test_who_has_it_is_told_so_until_it_changes(keys: tuple[str, str]) -> None:
    tag = fetch(PUBLIC).headers["etag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        again = fetch(PUBLIC, if_none_match=known)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert fetch(PUBLIC, if_none_match='"other"').status == 200
    publish_model(actor=ACTOR, model_id="acme/new", **SIZES)
    catalogue.clear()
    changed = fetch(PUBLIC, if_none_match=tag)
    assert (changed.status, len(changed.json["models"])) == (200, 2)


@in_database
def test_it_is_encoded_once_for_a_catalogue_and_keeps_none_alive(keys: tuple[str, str]) -> None:
    now = asyncio.run(catalogue.current())
    first = PublicAgentConfigView.publication(now, "http://one")
    assert PublicAgentConfigView.publication(now, "http://one") is first
    assert PublicAgentConfigView.publication(now, "http://two").body != first.body
    held = weakref.ref(now)
    catalogue.clear()
    del now
    gc.collect()
    assert held() is None


@in_database
def test_an_outsider_finds_nothing_of_others_at_any_url(keys: tuple[str, str]) -> None:
    """Walks the URL configuration: a new endpoint is tried without anybody adding it here."""
    assert ("GET", PUBLIC) in endpoints()
    for method, path in endpoints():
        url = path.format(**VALUES)
        stranger = fetch(url, method=method, body=b"{}", content_type="application/json")
        assert stranger.status == (200 if path in OPEN else 401), url
        outsider = fetch(url, keys[1], method=method, body=b"{}", content_type="application/json")
        assert outsider.status < 500, url
        for answer in (stranger, outsider):
            # What was asked for is repeated in an error, and nothing else is.
            text = answer.body.decode().replace(f"`{VALUES['model_id']}`", "")
            assert "acme/ours" not in text, url
            assert "reeder" not in text + str(answer.headers), url


def request_of(peer: str | None, scheme: str = "http", **headers: str) -> ASGIRequest:
    named = {"host": "ai.example.eu", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http",
        "method": "GET",
        "path": PUBLIC,
        "query_string": b"",
        "scheme": scheme,
        "client": None if peer is None else (peer, 5),
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }
    return ASGIRequest(scope, None)


def test_the_public_url_is_told_whoever_asks(settings: Any) -> None:
    settings.PUBLIC_URL = "https://ai.example.eu"
    assert public_origin(request_of("192.0.2.1", host="evil.example"), ()) == "https://ai.example.eu"


def test_without_one_the_request_tells_and_only_a_trusted_proxy_is_believed(settings: Any) -> None:
    settings.PUBLIC_URL = ""
    settings.ALLOWED_HOSTS = ["ai.example.eu"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    trusted = [parse_network("10.0.0.0/8")]
    https = {"x_forwarded_proto": "https", "x_forwarded_for": "192.0.2.1", "x_forwarded_host": "evil.example"}
    assert public_origin(request_of("192.0.2.1"), trusted) == "http://ai.example.eu"
    assert public_origin(request_of("192.0.2.1", "https"), trusted) == "https://ai.example.eu"
    assert public_origin(request_of("192.0.2.1", **https), trusted) == "http://ai.example.eu"
    assert public_origin(request_of(None, **https), trusted) == "http://ai.example.eu"
    through = request_of("10.1.2.3", **https)
    # As the consumer does.
    through.META["REMOTE_ADDR"] = client_address(through, trusted)
    assert public_origin(through, trusted) == "https://ai.example.eu"
    with pytest.raises(InvalidRequest):
        public_origin(request_of("192.0.2.1", host="evil.example"), trusted)
