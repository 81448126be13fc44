"""Minting access tokens."""

import time
from dataclasses import dataclass, field

import uuid_utils.compat as uuids
from django.conf import settings

from accounts.errors import NotPermitted
from accounts.principals import Principal
from accounts.tokens import Claims, write_token

DEFAULT_SECONDS = 900


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A new token. `text` is for who asked for it, and is kept nowhere."""

    text: str = field(repr=False)
    claims: Claims


def mint_token(
    *,
    principal: Principal,
    scopes: tuple[str, ...] | None = None,
    models: tuple[str, ...] = (),
    seconds: int | None = None,
    label: str | None = None,
) -> MintedToken:
    """A token of the key behind `principal` that may do less than it, or as much.

    `scopes` None: the key's; `models` empty: the key's. It lives for `seconds` (default: `DEFAULT_SECONDS`), and never
    longer than `settings.TOKEN_MAX_SECONDS` or the key's secret. Nothing is written, into the audit trail neither:
    programs mint them by the thousand, and what one does is its key's doing. Raises `NotPermitted` where the principal
    is a token itself (`api_key_required`), or for the first scope that the key lacks (`missing_scope`).
    """
    if principal.token_id is not None:
        raise NotPermitted(
            "An access token cannot mint others: send an API key.",
            code="api_key_required",
        )
    if scopes is None:
        scopes = tuple(sorted(principal.scopes))
    for index, scope in enumerate(scopes):
        if not principal.has_scope(scope):
            raise NotPermitted(
                f"This API key lacks the scope `{scope}`.", param=f"scopes[{index}]", code="missing_scope"
            )
    now = int(time.time())
    end = now + min(seconds or DEFAULT_SECONDS, settings.TOKEN_MAX_SECONDS)
    if principal.expires_at is not None:
        end = min(end, int(principal.expires_at))
    claims = Claims(
        sub=principal.key_public_id,
        org=principal.organization_slug,
        jti=str(uuids.uuid7()),
        iat=now,
        exp=end,
        scopes=tuple(dict.fromkeys(scopes)),
        models=tuple(dict.fromkeys(models)),
        key_version=principal.key_version,
        label=label,
    )
    return MintedToken(text=write_token(claims), claims=claims)
