"""`GET /v1/agent-config`, and `GET /.well-known/agent-config` for everybody: how to set up an agent."""

from typing import ClassVar
from weakref import ref

import msgspec
from msgspec import Struct
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.client_address import trusted_proxies
from inference.api.base import ApiView
from inference.api.descriptions.about import GET_AGENT_CONFIG, GET_PUBLIC_AGENT_CONFIG
from inference.api.offers import described
from inference.api.origin import public_origin
from inference.api.tags import client_has, tag_of
from inference.catalogue import Catalogue, catalogue
from inference.routes import endpoints
from inference.wire.agent_config import agent_config

# Browsers' agents may read it from any page: it is the same for everybody.
PUBLIC_HEADERS = {"cache-control": "public, max-age=60", "access-control-allow-origin": "*"}


class AgentConfigView(ApiView):
    """For one key: the models that it may use, with its organization's prices."""

    scope = "models"
    trusted_proxies = trusted_proxies()
    operations = {"GET": GET_AGENT_CONFIG}

    async def get(self, request: Request) -> Response:
        """The configuration; not to be kept by proxies, who would give it to other keys."""
        now, who = await catalogue.current(), self.principal
        models = [described(offer, now, who) for offer in now.offers if offer.usable_by(who)]
        origin = public_origin(request._request, self.trusted_proxies)
        body = msgspec.json.encode(agent_config(origin=origin, paths=_paths(), models=models))
        return self.json(body, headers={"cache-control": "private, no-store"})


class Publication(Struct, frozen=True):
    """An encoded configuration, and what it was made from; it does not keep a catalogue, with its tokenizers, alive."""

    catalogue: "ref[Catalogue]"
    origin: str
    body: bytes
    tag: str


class PublicAgentConfigView(ApiView):
    """For everybody, without a key: the public models, with list prices. Encoded once for each catalogue."""

    authentication_classes = []
    permission_classes = []
    trusted_proxies = trusted_proxies()
    latest: ClassVar[Publication | None] = None
    operations = {"GET": GET_PUBLIC_AGENT_CONFIG}

    async def get(self, request: Request) -> Response:
        """The configuration; 304 for a client that has it."""
        found = self.publication(await catalogue.current(), public_origin(request._request, self.trusted_proxies))
        headers = {**PUBLIC_HEADERS, "etag": found.tag}
        if client_has(request, found.tag):
            return self.json(b"", headers=headers, status=304)
        return self.json(found.body, headers=headers)

    @classmethod
    def publication(cls, now: Catalogue, origin: str) -> Publication:
        """What there is for `now`, or a new one; one is kept."""
        found = cls.latest
        if found is None or found.catalogue() is not now or found.origin != origin:
            models = [described(offer, now, None) for offer in now.offers if offer.granted is None]
            body = msgspec.json.encode(agent_config(origin=origin, paths=_paths(), models=models))
            found = cls.latest = Publication(ref(now), origin, body, tag_of(body))
        return found


def _paths() -> list[str]:
    return list(dict.fromkeys(path for _, path in endpoints()))
