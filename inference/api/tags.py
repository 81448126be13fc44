"""Entity tags (RFC 9110, 8.8.3): a client that has a body already need not get it again."""

from hashlib import blake2b

from rest_framework.request import Request


def tag_of(body: bytes) -> str:
    """The strong tag of a body."""
    return f'"{blake2b(body, digest_size=16).hexdigest()}"'


def client_has(request: Request, tag: str) -> bool:
    """Whether the request's `If-None-Match` names the tag."""
    known = request.META.get("HTTP_IF_NONE_MATCH", "")
    return known.strip() == "*" or tag in (one.strip().removeprefix("W/") for one in known.split(","))
