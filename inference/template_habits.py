"""What a chat template expects of a conversation: found out by trying, since templates do not say it.

Some take a message's text, some a list of parts; some a call's arguments as an object, some as JSON text; some look for
`image` parts, some for `image_url`; many know nothing of tools or images at all.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

PROBE = "A text that no template holds."
_NAME = "function_that_no_template_holds"
_KEY = "key_that_no_template_holds"
_ID = "a1b2c3d4e"
_TOOL = {
    "type": "function",
    "function": {
        "name": _NAME,
        "description": PROBE,
        "parameters": {"type": "object", "properties": {_KEY: {"type": "string", "description": PROBE}}},
    },
}
_IMAGES: tuple[dict[str, Any], ...] = ({"type": "image"}, {"type": "image_url", "image_url": {"url": ""}})

# Renders messages with tools.
Render = Callable[[list[dict[str, Any]], Sequence[dict[str, Any]] | None], str]


class Habits(Struct, frozen=True):
    """How a template is to be given a conversation."""

    # Content is always a list of parts.
    wants_parts: bool = False
    # It tells the model of tools.
    takes_tools: bool = False
    # Arguments of calls as JSON text, not as an object.
    arguments_as_text: bool = False
    # The content of a message that is nothing but calls.
    no_content: str | None = ""
    # What stands for an image; None: it has no place for one.
    image: dict[str, Any] | None = None


def text_problem(render: Render, content: Any) -> str | None:
    """Why a user's message comes to nothing."""
    try:
        prompt = render([{"role": "user", "content": content}], None)
    # A template is a program that may fail in any way.
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__} {error}".strip()
    return None if PROBE in prompt else "its text is not in the prompt"


def habits_of(render: Render, *, wants_parts: bool) -> Habits:
    """The habits of the template behind `render`."""

    def content(text: str) -> Any:
        return [{"type": "text", "text": text}] if wants_parts else text

    takes_tools = _NAME in _tried(render, [{"role": "user", "content": content(PROBE)}], [_TOOL])
    arguments: dict[str, Any] = {_KEY: PROBE}
    ways = [(as_text, empty) for as_text in (False, True) for empty in (content(""), None)]
    as_text, empty = False, content("")
    for as_text, empty in ways:
        function = {"name": _NAME, "arguments": json.dumps(arguments) if as_text else arguments}
        called = {"role": "assistant", "content": empty, "tool_calls": [_call(function)]}
        asked = {"role": "user", "content": content("?")}
        result = {"role": "tool", "name": _NAME, "tool_call_id": _ID, "content": content("!")}
        prompt = _tried(render, [asked, called, result], None)
        # An object where text was expected shows as Python writes it.
        if _KEY in prompt and PROBE in prompt and f"'{_KEY}'" not in prompt and f'\\"{_KEY}' not in prompt:
            break
    else:
        as_text, empty = ways[0]
    image = next((part for part in _IMAGES if _shows(render, part)), None)
    return Habits(wants_parts, takes_tools, as_text, None if empty is None else "", image)


def _call(function: dict[str, Any]) -> dict[str, Any]:
    return {"id": _ID, "type": "function", "function": function}


def _shows(render: Render, image: dict[str, Any]) -> bool:
    """Whether a part for an image leaves a trace in the prompt, and the text beside it stays."""
    text = {"type": "text", "text": PROBE}
    without = _tried(render, [{"role": "user", "content": [text]}], None)
    shown = _tried(render, [{"role": "user", "content": [image, text]}], None)
    # A template that knows no parts may print the list as it is.
    return PROBE in shown and PROBE in without and "'type'" not in shown and shown.split() != without.split()


def _tried(render: Render, messages: list[dict[str, Any]], tools: Sequence[dict[str, Any]] | None) -> str:
    """The prompt; empty where the template fails or refuses."""
    try:
        return render(messages, tools)
    except Exception:  # noqa: BLE001 - see `text_problem`
        return ""
