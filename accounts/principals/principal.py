"""What a key may do, and why one may do nothing."""

from dataclasses import dataclass
from enum import Enum

from accounts.errors import ApiError, KeyRefused, NotPermitted
from accounts.keys import mask
from accounts.networks import Network, parse_address


@dataclass(frozen=True, slots=True)
class Principal:
    """What a key, or a token of it, may do, and for whom.

    `expires_at` is unix time: the end of the key, its secret or the token, whichever is first. `key_version` names the
    secret; `token_id` and `token_models` are a token's, whose models count beside the key's.
    """

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
    key_version: str = ""
    token_id: str | None = None
    token_models: frozenset[str] = frozenset()

    def has_scope(self, scope: str) -> bool:
        """Whether the key carries `scope`, one of `accounts.scopes.SCOPES`."""
        return scope in self.scopes

    def may_use(self, model_id: str, model_class: str) -> bool:
        """Whether all restrictions of the key and of the token, where set, let this model through."""
        return (
            (not self.allowed_models or model_id in self.allowed_models)
            and (not self.allowed_classes or model_class in self.allowed_classes)
            and (not self.token_models or model_id in self.token_models)
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


def refusal_error(refusal: Refusal, key_text: str) -> ApiError:
    """The error that tells a client why; it shows a few characters of the key, never all of it."""
    if refusal in (Refusal.SUSPENDED, Refusal.CLOSED):
        return _organization_error(refusal)
    message = {
        Refusal.UNKNOWN: f"Incorrect API key provided: {mask(key_text)}. You can find your API keys in the dashboard.",
        Refusal.REVOKED: f"The API key {mask(key_text)} has been revoked. You can issue another one in the dashboard.",
        Refusal.EXPIRED: f"The API key {mask(key_text)} has expired. You can issue another one in the dashboard.",
    }[refusal]
    return KeyRefused(message, headers={"WWW-Authenticate": "Bearer"})


def token_refusal_error(refusal: Refusal | None = None) -> ApiError:
    """The same for a token whose key is refused, or, with None, that is none; it shows nothing of the token."""
    if refusal in (Refusal.SUSPENDED, Refusal.CLOSED):
        return _organization_error(refusal)
    message = {
        None: "The access token is not valid.",
        # The secret that minted it is gone: after a rotation, say.
        Refusal.UNKNOWN: "The API key of this access token no longer works.",
        Refusal.REVOKED: "The API key of this access token has been revoked.",
        Refusal.EXPIRED: "The API key of this access token has expired.",
    }[refusal]
    return KeyRefused(f"{message} Mint another one with an API key.", headers={"WWW-Authenticate": "Bearer"})


def token_expired_error() -> ApiError:
    """The error for a token whose own time is over, by a code of its own: its client mints another and goes on."""
    return KeyRefused(
        "The access token has expired. Mint another one with your API key.",
        code="token_expired",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _organization_error(refusal: Refusal) -> ApiError:
    return NotPermitted(
        f"The organization of this API key is {refusal.value}. Please contact support.",
        code=f"organization_{refusal.value}",
    )
