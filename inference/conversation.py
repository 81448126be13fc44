"""A conversation that a model is to go on with, before it is a prompt: what chat and responses have in common."""

from typing import Any

from msgspec import Struct

from inference.generation import Sampling, Structure


class Tool(Struct, frozen=True):
    """A function that a model may call; `parameters` is the JSON Schema of its arguments' object."""

    name: str
    description: str | None
    parameters: dict[str, Any]
    # Whether the client relies on the arguments' fitting the schema.
    strict: bool = False


class Tooling(Struct, frozen=True):
    """The functions that are offered, and what the model is to do with them."""

    tools: tuple[Tool, ...]
    # Those of them that it may call now, by name; none: it is told of them and must not call any.
    callable: frozenset[str]
    # It must call one at least.
    required: bool = False
    # It may call several at once.
    parallel: bool = True


class Picture(Struct, frozen=True):
    """An image as the client gave it: a `data:` or `https:` URL; `param` is its path in the body."""

    url: str
    param: str


class Conversation(Struct, frozen=True, kw_only=True):
    """What is asked for, in the words of the steps that follow.

    `messages` are dicts as chat templates take them (Hugging Face's form): `role`, `content` (text, or a list of parts
    `{"type": "text", "text": …}` and `{"type": "image"}`, the latter in the order of `pictures`), `tool_calls` as
    `[{"id", "type": "function", "function": {"name", "arguments": dict}}]`, `tool_call_id`, `name`, and what the
    assistant thought in `reasoning_content`. `variables` is what the client passes to the template.
    """

    messages: list[dict[str, Any]]
    sampling: Sampling
    variables: dict[str, Any]
    # Tokens; None: the client names no limit.
    output_limit: int | None = None
    n: int = 1
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    tooling: Tooling | None = None
    structure: Structure | None = None
    pictures: tuple[Picture, ...] = ()
    # The request's field that holds the conversation, for errors.
    param: str = "messages"
