"""Short-lived access tokens that a key mints: signed texts (JWT, RFC 7519) that say less than their key may do.

Nothing of a token is stored. What it is worth is asked of its key at each use (`accounts.principals`), so that it dies
with it.
"""

from accounts.tokens.claims import Claims, InvalidToken, looks_like_token, read_token, write_token
from accounts.tokens.keyring import Keyring, keyring

__all__ = ["Claims", "InvalidToken", "Keyring", "keyring", "looks_like_token", "read_token", "write_token"]
