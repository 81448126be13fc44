"""What the database says about a key."""

import ipaddress

from accounts.keys import version_of
from accounts.models import ApiKeySecret, Organization
from accounts.principals.principal import Principal, Refusal, Verdict


def read_verdicts(public_id: str) -> dict[bytes, Verdict]:
    """What the database says about each secret of the key with this public id, by its digest and by its version, which
    is what tokens know it by: one query."""
    secrets = ApiKeySecret.objects.select_related("api_key__project__organization")
    verdicts = {}
    for secret in secrets.filter(api_key__public_id=public_id):
        digest = bytes(secret.digest)
        verdicts[digest] = verdicts[version_of(digest).encode()] = verdict_on(secret)
    return verdicts


def verdict_on(secret: ApiKeySecret) -> Verdict:
    """What a secret with its key, project and organization is worth. Its end is checked when it is used."""
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
        key_version=version_of(bytes(secret.digest)),
    )
