"""The items of a response's output as JSON."""

from collections.abc import Sequence
from typing import Any

import msgspec

from inference.generation import ChosenToken, TokenLogprob, ToolCalled
from inference.tool_names import ClientTool
from inference.wire.texts import clean, encode, finite

IN_PROGRESS = "in_progress"
COMPLETED = "completed"
INCOMPLETE = "incomplete"


def message_item(item_id: str, status: str, part: bytes | None) -> bytes:
    """The assistant's message with its one part; None: it has not begun."""
    return b'{"id":"%b","type":"message","status":"%b","role":"assistant","content":[%b]}' % (
        item_id.encode(),
        status.encode(),
        part or b"",
    )


def text_part(text: bytes, logprobs: bytes) -> bytes:
    """The part of a message; both as JSON."""
    return b'{"type":"output_text","text":%b,"annotations":[],"logprobs":%b}' % (text, logprobs)


def reasoning_item(item_id: str, status: str, part: bytes | None, sealed: str | None) -> bytes:
    """What was thought: as it is, not as a summary. `sealed`: the same for the client to send back."""
    more = b"" if sealed is None else b',"encrypted_content":"%b"' % sealed.encode()
    return b'{"id":"%b","type":"reasoning","status":"%b","summary":[],"content":[%b]%b}' % (
        item_id.encode(),
        status.encode(),
        part or b"",
        more,
    )


def reasoning_part(text: bytes) -> bytes:
    """The part of reasoning; `text` as JSON."""
    return b'{"type":"reasoning_text","text":%b}' % text


def call_item(item_id: str, status: str, call: ToolCalled, tool: ClientTool, given: str) -> bytes:
    """A call of the client's `tool` with its arguments, or a custom tool's input, as text: `given`."""
    kind, field = ("custom_tool_call", "input") if tool.custom else ("function_call", "arguments")
    item: dict[str, Any] = {"id": item_id, "type": kind, "status": status, "call_id": call.call_id, "name": tool.name}
    item[field] = given
    if tool.namespace is not None:
        item["namespace"] = tool.namespace
    return encode(item)


def custom_input(arguments: str) -> str:
    """The text that a custom tool is called with, of the arguments of the function that stands for it."""
    try:
        given = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return arguments
    text = given.get("input") if isinstance(given, dict) else None
    return text if isinstance(text, str) else arguments


def logprobs_json(tokens: Sequence[ChosenToken]) -> bytes:
    """Tokens with their logprobs."""
    return encode([{**_token(token), "top_logprobs": [_token(other) for other in token.top]} for token in tokens])


def _token(token: ChosenToken | TokenLogprob) -> dict[str, Any]:
    text = clean(token.token)
    # A token that is part of a character reaches us as the replacement character: its bytes are not known.
    known = [] if "\ufffd" in text else list(text.encode())
    return {"token": text, "logprob": finite(token.logprob), "bytes": known}
