"""Who a key speaks for: an immutable snapshot per key, cached in the process, so that a request needs no database."""

import asyncio
import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from django.conf import settings
from django.db import InterfaceError, OperationalError

from accounts.database_thread import in_database_thread
from accounts.errors import ApiError, KeyRefused, KeysUnavailable, NotPermitted
from accounts.keys import MalformedKey, digest_of, mask, parse_key
from accounts.models import ApiKeySecret, Organization
from accounts.networks import Network, parse_address

REFUSAL_TTL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Principal:
    """What a key may do, and for whom. `expires_at` is unix time: the key's end or its secret's, whichever is first."""

    key_id: int
    key_public_id: str
    organization_id: int
    organization_slug: str
    project_id: int
    scopes: frozenset[str]
    allowed_models: frozenset[str]
    allowed_classes: frozenset[str]
    networks: tuple[Network, ...]
    expires_at: float | None

    def has_scope(self, scope: str) -> bool:
        """Whether the key carries `scope`, one of `accounts.scopes.SCOPES`."""
        return scope in self.scopes

    def may_use(self, model_id: str, model_class: str) -> bool:
        """Whether both restrictions of the key, where set, let this model through."""
        return (not self.allowed_models or model_id in self.allowed_models) and (
            not self.allowed_classes or model_class in self.allowed_classes
        )

    def check_address(self, address: str) -> None:
        """Raises `NotPermitted` where the key has an allow-list that does not hold the client's `address`."""
        if not self.networks:
            return
        client = parse_address(address)
        if client is None or not any(client in network for network in self.networks):
            raise NotPermitted(
                "This API key may not be used from your IP address. Ask your organization to add it to the key's"
                " allowed networks.",
                code="address_not_allowed",
            )


class Refusal(Enum):
    """Why a well-formed key is not let in."""

    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    CLOSED = "closed"


Verdict = Principal | Refusal


class PrincipalCache:
    """Principals by the digest of their key, never by its text.

    A hit does not yield to the loop. Good keys live for `settings.PRINCIPAL_TTL_SECONDS`, refusals for a second at
    most and in a store of their own, so that wrong keys by the thousand push no good one out. `get` belongs to an
    event loop; everything else may be called from any thread.
    """

    def __init__(
        self,
        *,
        capacity: int = 20_000,
        refusal_capacity: int = 5_000,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._capacity = capacity
        self._refusal_capacity = refusal_capacity
        self._clock = clock
        self._now = now
        self._principals: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()
        self._refusals: OrderedDict[bytes, tuple[Refusal, float]] = OrderedDict()
        self._loads: dict[bytes, asyncio.Task[Verdict]] = {}
        self._generation = 0
        self._lock = threading.Lock()

    async def get(self, key_text: str) -> Principal:
        """The principal of a key.

        Raises `KeyRefused` for a key that is wrong, revoked or expired, `NotPermitted` when its organization is not
        active, `KeysUnavailable` when the database is needed and does not answer.
        """
        try:
            parse_key(key_text)
        except MalformedKey:
            raise refusal_error(Refusal.UNKNOWN, key_text) from None
        digest = digest_of(key_text, settings.API_KEY_PEPPER)
        verdict = self._cached(digest)
        if verdict is None:
            verdict = await self._load_once(digest)
        # A cached principal outlives neither its key nor, after a rotation, its secret.
        if isinstance(verdict, Principal) and verdict.expires_at is not None and verdict.expires_at <= self._now():
            verdict = Refusal.EXPIRED
        if isinstance(verdict, Refusal):
            raise refusal_error(verdict, key_text)
        return verdict

    def invalidate_key(self, key_id: int) -> None:
        """Forgets a key that was changed, rotated or revoked; the next request reads it anew."""
        self._forget(lambda principal: principal.key_id == key_id)

    def invalidate_organization(self, organization_id: int) -> None:
        """Forgets every key of an organization, for example when it is suspended."""
        self._forget(lambda principal: principal.organization_id == organization_id)

    def clear(self) -> None:
        """Forgets everything."""
        self._forget(lambda principal: True)

    def __len__(self) -> int:
        """How many good keys are held."""
        return len(self._principals)

    def _cached(self, digest: bytes) -> Verdict | None:
        clock = self._clock()
        with self._lock:
            held = self._principals.get(digest)
            if held is not None:
                if clock < held[1]:
                    self._principals.move_to_end(digest)
                    return held[0]
                del self._principals[digest]
            refused = self._refusals.get(digest)
            if refused is not None:
                if clock < refused[1]:
                    return refused[0]
                del self._refusals[digest]
        return None

    async def _load_once(self, digest: bytes) -> Verdict:
        loop = asyncio.get_running_loop()
        with self._lock:
            load = self._loads.get(digest)
            # A load of another loop (a test's, or one that ended half-way) cannot be awaited here.
            if load is None or load.get_loop() is not loop:
                load = loop.create_task(self._load(digest, self._generation))
                self._loads[digest] = load
                load.add_done_callback(lambda done: self._loaded(digest, done))
        # Shielded: a client that hangs up must not take the load away from the others that wait for it.
        return await asyncio.shield(load)

    async def _load(self, digest: bytes, generation: int) -> Verdict:
        try:
            verdict = await in_database_thread(read_verdict, digest)
        except (OperationalError, InterfaceError) as error:
            raise KeysUnavailable(
                "API keys cannot be checked at the moment. Please try again.", headers={"Retry-After": "1"}
            ) from error
        self._store(digest, verdict, generation)
        return verdict

    def _loaded(self, digest: bytes, load: asyncio.Task[Verdict]) -> None:
        with self._lock:
            if self._loads.get(digest) is load:
                del self._loads[digest]
        if not load.cancelled():
            load.exception()  # marks it as seen: everybody who waited may be gone

    def _store(self, digest: bytes, verdict: Verdict, generation: int) -> None:
        clock = self._clock()
        ttl: float = settings.PRINCIPAL_TTL_SECONDS
        with self._lock:
            if generation != self._generation:
                return  # what was read may be older than the change that was announced meanwhile
            if isinstance(verdict, Principal):
                self._principals[digest] = (verdict, clock + ttl)
                if len(self._principals) > self._capacity:
                    self._principals.popitem(last=False)
            else:
                self._refusals[digest] = (verdict, clock + min(ttl, REFUSAL_TTL_SECONDS))
                if len(self._refusals) > self._refusal_capacity:
                    self._refusals.popitem(last=False)

    def _forget(self, concerns: Callable[[Principal], bool]) -> None:
        with self._lock:
            self._generation += 1
            # Who comes from now on must not join a load that began before the change.
            self._loads.clear()
            self._refusals.clear()
            for digest in [digest for digest, held in self._principals.items() if concerns(held[0])]:
                del self._principals[digest]


def refusal_error(refusal: Refusal, key_text: str) -> ApiError:
    """The error that tells a client why; it shows a few characters of the key, never all of it."""
    if refusal in (Refusal.SUSPENDED, Refusal.CLOSED):
        return NotPermitted(
            f"The organization of this API key is {refusal.value}. Please contact support.",
            code=f"organization_{refusal.value}",
        )
    message = {
        Refusal.UNKNOWN: f"Incorrect API key provided: {mask(key_text)}. You can find your API keys in the dashboard.",
        Refusal.REVOKED: f"The API key {mask(key_text)} has been revoked. You can issue another one in the dashboard.",
        Refusal.EXPIRED: f"The API key {mask(key_text)} has expired. You can issue another one in the dashboard.",
    }[refusal]
    return KeyRefused(message, headers={"WWW-Authenticate": "Bearer"})


def read_verdict(digest: bytes) -> Verdict:
    """What the database says about the key with this digest: one query."""
    secret = ApiKeySecret.objects.select_related("api_key__project__organization").filter(digest=digest).first()
    if secret is None:
        return Refusal.UNKNOWN
    key = secret.api_key
    organization = key.project.organization
    if key.revoked_at is not None:
        return Refusal.REVOKED
    if organization.status != Organization.Status.ACTIVE:
        return Refusal(organization.status)
    ends = [moment.timestamp() for moment in (key.expires_at, secret.expires_at) if moment is not None]
    return Principal(
        key_id=key.pk,
        key_public_id=key.public_id,
        organization_id=organization.pk,
        organization_slug=organization.slug,
        project_id=key.project_id,
        scopes=frozenset(key.scopes),
        allowed_models=frozenset(key.allowed_models),
        allowed_classes=frozenset(key.allowed_classes),
        networks=tuple(ipaddress.ip_network(network) for network in key.allowed_networks),
        expires_at=min(ends, default=None),
    )


principals = PrincipalCache()
