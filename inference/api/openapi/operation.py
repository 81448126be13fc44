"""What the published document says of one method of a URL; each view carries its own in `operations`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Tag = Literal["Text", "Vectors and ranks", "Images", "Models", "Usage", "Access", "About this API"]

# What any request may meet, whatever it asks for.
ALWAYS = frozenset({400, 405, 408, 413, 431, 500, 503})
# Where a key is needed.
KEYED = frozenset({401, 403, 429})
# Where a body is read.
WITH_BODY = frozenset({415})
# Where a model works.
MODEL = frozenset({404, 502, 504})


@dataclass(frozen=True, kw_only=True)
class Query:
    """A parameter of a URL's query; `type` is msgspec's."""

    name: str
    type: Any
    description: str


@dataclass(frozen=True, kw_only=True)
class Example:
    """A request's body, and what it shows."""

    summary: str
    body: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of a URL.

    `request` is the type of a JSON body and `form` of a multipart one, `answer` of the JSON body of a 200, `events` of
    what each event of a stream holds, all of them msgspec's. `refused` are fields of a request that are decoded only to
    be refused. `errors` are statuses beyond those that every view of its kind has. Scope, security and methods are read
    from the view itself.
    """

    id: str
    summary: str
    tag: Tag
    description: str = ""
    request: Any = None
    form: Any = None
    body_required: bool = True
    refused: frozenset[str] = frozenset()
    answer: Any = None
    answer_media_type: str = "application/json"
    events: Any = None
    # Other media types of a 200, with what they hold.
    texts: Mapping[str, str] = field(default_factory=dict)
    not_modified: bool = False
    # False: nothing but errors is answered.
    succeeds: bool = True
    path: Mapping[str, str] = field(default_factory=dict)
    query: tuple[Query, ...] = ()
    errors: frozenset[int] = frozenset()
    # Whether a model answers: its lifecycle is in the headers.
    of_model: bool = False
    examples: Mapping[str, Example] = field(default_factory=dict)
    example_answer: Mapping[str, Any] | None = None
    example_events: str = ""
