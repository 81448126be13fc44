"""The items of a response's output."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

Status = Literal["in_progress", "completed", "incomplete"]


class OutputAlternative(Struct):
    """A token that might have been chosen."""

    token: str
    logprob: float
    bytes: list[int]


class OutputLogprob(Struct):
    """A token, how likely it was, and the likeliest in its place."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[OutputAlternative]


class OutputText(Struct, tag_field="type", tag="output_text"):
    """The text of a message."""

    text: str
    annotations: list[Any]
    logprobs: list[OutputLogprob]


class ReasoningText(Struct, tag_field="type", tag="reasoning_text"):
    """What was thought."""

    text: str


class OutputMessage(Struct, tag_field="type", tag="message"):
    """What the assistant says."""

    id: str
    status: Status
    role: Literal["assistant"]
    content: list[OutputText]


class ReasoningItem(Struct, tag_field="type", tag="reasoning"):
    """What the model thought; `encrypted_content` is the same, sealed, to be sent back."""

    id: str
    status: Status
    summary: list[Any]
    content: list[ReasoningText]
    encrypted_content: str | UnsetType = UNSET


class FunctionCallItem(Struct, tag_field="type", tag="function_call"):
    """A function that the client is to call."""

    id: str
    status: Status
    call_id: str
    name: str
    arguments: str
    namespace: str | UnsetType = UNSET


class CustomCallItem(Struct, tag_field="type", tag="custom_tool_call"):
    """A custom tool that the client is to call with a text."""

    id: str
    status: Status
    call_id: str
    name: str
    input: str
    namespace: str | UnsetType = UNSET


OutputItem = OutputMessage | ReasoningItem | FunctionCallItem | CustomCallItem
OutputPart = OutputText | ReasoningText
