"""Who a key speaks for: an immutable snapshot per key, cached in the process, so that a request needs no database."""

from accounts.announcements import KEY, ORGANIZATION, listen
from accounts.principals.cache import PrincipalCache
from accounts.principals.principal import Principal, Refusal, Verdict

__all__ = ["Principal", "PrincipalCache", "Refusal", "Verdict", "principals"]

principals = PrincipalCache()
listen(KEY, principals.invalidate_key, principals.clear)
listen(ORGANIZATION, principals.invalidate_organization, principals.clear)
