"""The events of a stream; `sequence_number` counts them from 0."""

from msgspec import Struct

from inference.api.answers.responses.items import OutputItem, OutputLogprob, OutputPart
from inference.api.answers.responses.response import Response


class Numbered(Struct, tag_field="type", kw_only=True):
    """An event."""

    sequence_number: int


class ResponseCreated(Numbered, tag="response.created"):
    """An engine has taken the request."""

    response: Response


class ResponseInProgress(Numbered, tag="response.in_progress"):
    """It works."""

    response: Response


class ResponseCompleted(Numbered, tag="response.completed"):
    """The last event of an answer that came to its end."""

    response: Response


class ResponseIncomplete(Numbered, tag="response.incomplete"):
    """The last event of an answer that was cut off."""

    response: Response


class ResponseFailed(Numbered, tag="response.failed"):
    """The last event of an answer that broke off."""

    response: Response


class ItemAdded(Numbered, tag="response.output_item.added"):
    """An item begins."""

    output_index: int
    item: OutputItem


class ItemDone(Numbered, tag="response.output_item.done"):
    """An item as it came to be."""

    output_index: int
    item: OutputItem


class InContent(Numbered):
    """Something of one part of an item."""

    item_id: str
    output_index: int
    content_index: int


class PartAdded(InContent, tag="response.content_part.added"):
    """A part begins."""

    part: OutputPart


class PartDone(InContent, tag="response.content_part.done"):
    """A part as it came to be."""

    part: OutputPart


class TextAdded(InContent, tag="response.output_text.delta"):
    """More text."""

    delta: str
    logprobs: list[OutputLogprob]


class TextDone(InContent, tag="response.output_text.done"):
    """All text of a part."""

    text: str
    logprobs: list[OutputLogprob]


class ReasoningAdded(InContent, tag="response.reasoning_text.delta"):
    """More of what the model thinks."""

    delta: str


class ReasoningDone(InContent, tag="response.reasoning_text.done"):
    """All that it thought."""

    text: str


class InItem(Numbered):
    """Something of a call."""

    item_id: str
    output_index: int


class ArgumentsAdded(InItem, tag="response.function_call_arguments.delta"):
    """More of a call's arguments."""

    delta: str


class ArgumentsDone(InItem, tag="response.function_call_arguments.done"):
    """A call's arguments."""

    name: str
    arguments: str


class CustomInputAdded(InItem, tag="response.custom_tool_call_input.delta"):
    """More of what a custom tool is called with."""

    delta: str


class CustomInputDone(InItem, tag="response.custom_tool_call_input.done"):
    """What a custom tool is called with."""

    input: str


ResponseEvent = (
    ResponseCreated
    | ResponseInProgress
    | ResponseCompleted
    | ResponseIncomplete
    | ResponseFailed
    | ItemAdded
    | ItemDone
    | PartAdded
    | PartDone
    | TextAdded
    | TextDone
    | ReasoningAdded
    | ReasoningDone
    | ArgumentsAdded
    | ArgumentsDone
    | CustomInputAdded
    | CustomInputDone
)
