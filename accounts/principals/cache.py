"""The process' snapshots of keys."""

import asyncio
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.conf import settings
from django.db import InterfaceError, OperationalError

from accounts.database_thread import giving_connection_back
from accounts.errors import KeysUnavailable
from accounts.keys import MalformedKey, digest_of, is_sealed, parse_key
from accounts.principals.bearers import CLOCK_SKEW, Bearer, Bearers
from accounts.principals.principal import (
    Principal,
    Refusal,
    Verdict,
    refusal_error,
    token_expired_error,
    token_refusal_error,
)
from accounts.principals.reading import read_verdicts
from accounts.tokens import InvalidToken, looks_like_token, read_token

REFUSAL_TTL_SECONDS = 1.0
# A client waits this long for a database that does not answer, and so many questions are open to it at once.
LOOKUP_SECONDS = 2.0
LOOKUPS = 4


@dataclass(frozen=True, slots=True)
class Holding:
    """What is known of a public id: a verdict for each secret, by its digest and by its version.

    An id that does not exist has none.

    Times are the cache's clock in seconds: until `until` the verdicts hold, until `complete_until` there are no others.
    """

    verdicts: dict[bytes, Verdict]
    until: float
    complete_until: float

    def principal(self) -> Principal | None:
        """One of its principals: all of them are of one key."""
        return next((verdict for verdict in self.verdicts.values() if isinstance(verdict, Principal)), None)

    def verdict(self, digest: bytes, clock: float) -> Verdict | None:
        """The verdict on a digest; None where the database must be asked."""
        known = self.verdicts.get(digest)
        if known is not None:
            return known if clock < self.until else None
        return Refusal.UNKNOWN if clock < self.complete_until else None


class PrincipalCache:
    """Principals by the public id and the digest of their key, never by its text; and those of tokens, which are asked
    of the same snapshots, so that whatever ends or changes a key does so for its tokens.

    A hit does not yield to the loop. Good keys live for `settings.PRINCIPAL_TTL_SECONDS`, refusals for a second at
    most and in a store of their own. Nobody can make wrong keys cost more than that: those with a public id of
    somebody's own making are refused by its seal, and all with the same public id share one look at the database a
    second. `get` belongs to an event loop; everything else may be called from any thread.
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
        self._principals: OrderedDict[str, Holding] = OrderedDict()
        self._refusals: OrderedDict[str, Holding] = OrderedDict()
        self._loads: dict[str, asyncio.Task[Holding]] = {}
        # Of keys that were good once: taking a key apart and the HMAC take longer than all the rest of a hit.
        self._known: dict[bytes, tuple[str, bytes]] = {}
        # The same of tokens, where it is a signature that takes long.
        self._bearers = Bearers(capacity)
        self._generation = 0
        self._lock = threading.Lock()
        # Threads of its own: a database that does not answer must not keep others from theirs.
        self._threads = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="keys")

    async def get(self, key_text: str) -> Principal:
        """The principal of a key or of a token.

        Raises `KeyRefused` for one that is wrong, revoked or expired, `NotPermitted` when its organization is not
        active, `KeysUnavailable` when the database is needed and does not answer within `LOOKUP_SECONDS`.
        """
        mark = _mark_of(key_text)
        known = self._known.get(mark)
        if known is None:
            if looks_like_token(key_text):
                return await self._of_token(key_text, mark)
            try:
                public_id = parse_key(key_text)
            except MalformedKey:
                raise refusal_error(Refusal.UNKNOWN, key_text) from None
            digest = digest_of(key_text, settings.API_KEY_PEPPER)
        else:
            public_id, digest = known
        verdict = self._cached(public_id, digest)
        if verdict is None:
            verdict = await self._ask(public_id, digest)
        # A cached principal outlives neither its key nor, after a rotation, its secret.
        if isinstance(verdict, Principal) and verdict.expires_at is not None and verdict.expires_at <= self._now():
            verdict = Refusal.EXPIRED
        if isinstance(verdict, Refusal):
            raise refusal_error(verdict, key_text)
        if known is None:
            if len(self._known) >= self._capacity:
                self._known.clear()
            self._known[mark] = public_id, digest
        return verdict

    async def _of_token(self, text: str, mark: bytes) -> Principal:
        bearer = self._bearers.get(mark)
        known = bearer is not None
        if bearer is None:
            try:
                bearer = Bearer(read_token(text))
            except InvalidToken:
                raise token_refusal_error() from None
        claims, now = bearer.claims, self._now()
        if claims.exp <= now:
            self._bearers.drop(mark)
            raise token_expired_error()
        if claims.iat > now + CLOCK_SKEW:
            raise token_refusal_error()
        version = claims.key_version.encode()
        verdict = self._cached(claims.sub, version)
        if verdict is None:
            verdict = await self._ask(claims.sub, version)
        if isinstance(verdict, Principal) and verdict.expires_at is not None and verdict.expires_at <= now:
            verdict = Refusal.EXPIRED
        if isinstance(verdict, Refusal):
            raise token_refusal_error(verdict)
        if not known:
            self._bearers.keep(mark, bearer)
        return bearer.principal(verdict)

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

    def _cached(self, public_id: str, digest: bytes) -> Verdict | None:
        clock = self._clock()
        with self._lock:
            held = self._principals.get(public_id)
            if held is None:
                held = self._refusals.get(public_id)
            elif digest in held.verdicts:
                # Wrong secrets must not keep a key here.
                self._principals.move_to_end(public_id)
            return None if held is None else held.verdict(digest, clock)

    async def _ask(self, public_id: str, secret: bytes) -> Verdict:
        """The database's verdict on a secret, by digest or version; of a public id without a seal it is not asked."""
        if not is_sealed(public_id):
            return Refusal.UNKNOWN
        return (await self._load_once(public_id)).verdicts.get(secret, Refusal.UNKNOWN)

    async def _load_once(self, public_id: str) -> Holding:
        loop = asyncio.get_running_loop()
        with self._lock:
            load = self._loads.get(public_id)
            # A load of another loop (a test's, or one that ended half-way) cannot be awaited here.
            if load is None or load.get_loop() is not loop:
                load = loop.create_task(self._load(public_id, self._generation))
                self._loads[public_id] = load
                load.add_done_callback(lambda done: self._loaded(public_id, done))
        # Shielded: a client that hangs up must not take the load away from the others that wait for it.
        return await asyncio.shield(load)

    async def _load(self, public_id: str, generation: int) -> Holding:
        read = giving_connection_back(read_verdicts)
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                verdicts = await asyncio.get_running_loop().run_in_executor(self._threads, read, public_id)
        except (OperationalError, InterfaceError, TimeoutError) as error:
            raise KeysUnavailable(
                "API keys cannot be checked at the moment. Please try again.", headers={"Retry-After": "1"}
            ) from error
        clock = self._clock()
        ttl: float = settings.PRINCIPAL_TTL_SECONDS
        brief = clock + min(ttl, REFUSAL_TTL_SECONDS)
        good = any(isinstance(verdict, Principal) for verdict in verdicts.values())
        holding = Holding(verdicts, until=clock + ttl if good else brief, complete_until=brief)
        self._store(public_id, holding, generation)
        return holding

    def _loaded(self, public_id: str, load: asyncio.Task[Holding]) -> None:
        with self._lock:
            if self._loads.get(public_id) is load:
                del self._loads[public_id]
        if not load.cancelled():
            load.exception()  # marks it as seen: everybody who waited may be gone

    def _store(self, public_id: str, holding: Holding, generation: int) -> None:
        with self._lock:
            if generation != self._generation:
                return  # what was read may be older than the change that was announced meanwhile
            self._principals.pop(public_id, None)
            self._refusals.pop(public_id, None)
            store, capacity = self._refusals, self._refusal_capacity
            if holding.principal() is not None:
                store, capacity = self._principals, self._capacity
            store[public_id] = holding
            if len(store) > capacity:
                store.popitem(last=False)

    def _forget(self, concerns: Callable[[Principal], bool]) -> None:
        with self._lock:
            self._generation += 1
            # Who comes from now on must not join a load that began before the change.
            self._loads.clear()
            self._refusals.clear()
            for public_id, holding in list(self._principals.items()):
                principal = holding.principal()
                if principal is None or concerns(principal):
                    del self._principals[public_id]


def _mark_of(key_text: str) -> bytes:
    """What a key is known by in memory: as hard to turn back as its digest, and far cheaper."""
    return hashlib.blake2b(key_text.encode(), key=settings.API_KEY_PEPPER.encode()[:64], digest_size=32).digest()
