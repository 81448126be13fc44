"""What the request path knows of one request's usage: the columns of a record, without the ORM. Never content."""

import uuid

from msgspec import Struct


class UsageEntry(Struct, kw_only=True, gc=False):
    """A usage record in the making; `UsageRecord` without `recorded_at`. The request path fills it as it learns.

    `started_at` is Unix seconds (UTC); tokens and images are counts; `*_ms` milliseconds from arrival; `cost_nano`
    nano-euro, None while unrated. The values of `token_source` and `outcome` are those of `billing.models`: interrupted
    until the request ends otherwise.
    """

    id: uuid.UUID
    organization_id: int
    project_id: int
    api_key_id: int
    model_id: str
    endpoint: str
    started_at: float
    deployment: str = ""
    streamed: bool = False
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    images: int = 0
    documents: int = 0
    token_source: str = "none"  # noqa: S105
    price_version_id: int | None = None
    cost_nano: int | None = None
    outcome: str = "interrupted"
    error_code: str = ""
    queue_ms: int | None = None
    first_token_ms: int | None = None
    total_ms: int | None = None
