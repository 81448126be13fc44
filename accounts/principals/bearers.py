"""Tokens whose signature was found good, with the principal that each comes to."""

from collections import OrderedDict
from dataclasses import replace

from accounts.principals.principal import Principal
from accounts.tokens import Claims

# Clocks of two machines of ours differ by so much, in seconds.
CLOCK_SKEW = 10.0


class Bearer:
    """A good token: its claims, and its key's principal narrowed by them."""

    __slots__ = ("_key", "_principal", "claims")

    def __init__(self, claims: Claims) -> None:
        self.claims = claims
        self._key: Principal | None = None
        self._principal: Principal | None = None

    def principal(self, key: Principal) -> Principal:
        """What the token may do now that its key may do so much; made anew only when the key's snapshot is."""
        if self._principal is None or key is not self._key:
            self._key, self._principal = key, narrowed(key, self.claims)
        return self._principal


class Bearers:
    """The latest good tokens by their mark; `capacity` of them. Belongs to an event loop."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._held: OrderedDict[bytes, Bearer] = OrderedDict()

    def get(self, mark: bytes) -> Bearer | None:
        """The token of this mark, if its signature was checked before."""
        found = self._held.get(mark)
        if found is not None:
            self._held.move_to_end(mark)
        return found

    def keep(self, mark: bytes, bearer: Bearer) -> None:
        """Holds a good token; the one that nobody used for longest makes room."""
        self._held[mark] = bearer
        if len(self._held) > self._capacity:
            self._held.popitem(last=False)

    def drop(self, mark: bytes) -> None:
        """Lets go of one that has ended."""
        self._held.pop(mark, None)

    def __len__(self) -> int:
        """How many are held."""
        return len(self._held)


def narrowed(key: Principal, claims: Claims) -> Principal:
    """What both the key and the token allow."""
    return replace(
        key,
        scopes=key.scopes & frozenset(claims.scopes),
        # Beside the key's own, not crossed with them: of two lists that share nothing an empty one would be left,
        # which means every model.
        token_models=frozenset(claims.models),
        token_id=claims.jti,
        expires_at=claims.exp if key.expires_at is None else min(key.expires_at, claims.exp),
    )
