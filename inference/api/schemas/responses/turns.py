"""From the items of a request's input to the turns of a conversation, as chat templates take them."""

from collections.abc import Callable, Iterable
from typing import Any

from inference.api.schemas import problems
from inference.api.schemas.responses.fields import Item, Part
from inference.api.schemas.tools import json_object
from inference.conversation import Picture
from inference.errors import InvalidRequest, NotStored
from inference.tool_names import ToolNames

# What parts may hold, by the role of their message; the outputs of tools are as the user's.
TEXTS = ("input_text", "output_text", "text")
INPUTS = ("input_text", "input_image")
OUTPUTS = ("output_text", "refusal")

# Opens what was sealed; None where it cannot.
Opening = Callable[[str], str | None]


class Turns:
    """The conversation so far.

    Whatever the model said in one go, thoughts, text and calls, is one turn of the assistant. So are the system's and
    the developer's words at the beginning: many templates look for one message there and leave out, or refuse, others.
    """

    def __init__(self, names: ToolNames, opening: Opening) -> None:
        self._names = names
        self._opening = opening
        self._thoughts: list[str] = []
        self._turn: dict[str, Any] | None = None
        self._called: dict[str, str] = {}
        # Images that tools gave back, for a message of the user's: templates show those of no other.
        self._seen: list[Picture] = []
        self.messages: list[dict[str, Any]] = []
        self.pictures: list[Picture] = []

    def instruct(self, text: str) -> None:
        """What goes before all items."""
        self.messages.append({"role": "system", "content": text})

    def add(self, item: Item, path: str) -> None:
        """One more item, which stands at `path` in the body. Raises InvalidRequest."""
        match item.type:
            case "function_call" | "custom_tool_call":
                self._call(item, path)
            case "function_call_output" | "custom_tool_call_output":
                self._output(item, path)
            case "reasoning":
                self._reasoning(item)
            case "item_reference":
                _refuse_reference(item)
            case None if item.role is None and item.id is not None:
                _refuse_reference(item)
            case None | "message":
                self._message(item, path)

    def end(self) -> None:
        """No more items."""
        self._show()

    def _message(self, item: Item, path: str) -> None:
        if item.role is None:
            raise problems.missing(f"{path}.role")
        if item.content is None:
            raise problems.missing(f"{path}.content")
        if item.role == "assistant":
            self._say(_text(item.content, f"{path}.content", OUTPUTS))
            return
        self._others_turn()
        if item.role == "user":
            self.messages.append({"role": "user", "content": self._content(item.content, f"{path}.content")})
            return
        text = _text(item.content, f"{path}.content", ("input_text",))
        first = self.messages[0] if len(self.messages) == 1 else None
        if first is not None and first["role"] in ("system", "developer"):
            first["content"] += f"\n\n{text}"
        else:
            self.messages.append({"role": item.role, "content": text})

    def _say(self, text: str) -> None:
        turn = self._turn
        if turn is not None and (turn["content"] or "tool_calls" in turn):
            self._turn = None
        self._assistant()["content"] = text

    def _call(self, item: Item, path: str) -> None:
        for field in ("call_id", "name"):
            if getattr(item, field) is None:
                raise problems.missing(f"{path}.{field}")
        if item.type == "custom_tool_call":
            if item.input is None:
                raise problems.missing(f"{path}.input")
            arguments: Any = {"input": item.input}
        else:
            arguments = _arguments(item.arguments, f"{path}.arguments")
        assert item.call_id is not None and item.name is not None  # noqa: PT018, S101
        name = self._names.offered(item.name, item.namespace) or item.name
        self._called[item.call_id] = name
        turn = self._assistant()
        calls = turn.setdefault("tool_calls", [])
        calls.append({"id": item.call_id, "type": "function", "function": {"name": name, "arguments": arguments}})

    def _reasoning(self, item: Item) -> None:
        thought = self._opening(item.encrypted_content) if item.encrypted_content else None
        if thought is None and isinstance(item.content, list):
            thought = "".join(part.text or "" for part in item.content)
        if thought:
            self._thoughts.append(thought)

    def _output(self, item: Item, path: str) -> None:
        if item.call_id is None:
            raise problems.missing(f"{path}.call_id")
        if item.output is None:
            raise problems.missing(f"{path}.output")
        name = self._called.get(item.call_id)
        if name is None:
            message = "No tool call found for function call output: the call must be part of the input, before it."
            raise InvalidRequest(message, param=f"{path}.call_id", code="invalid_value")
        self._turn = None
        self._thoughts.clear()
        text = _text(item.output, f"{path}.output", INPUTS, self._seen)
        self.messages.append({"role": "tool", "tool_call_id": item.call_id, "name": name, "content": text})

    def _assistant(self) -> dict[str, Any]:
        """The assistant's turn that is under way, with what was thought before."""
        turn = self._turn
        if turn is None:
            self._show()
            turn = self._turn = {"role": "assistant", "content": ""}
            self.messages.append(turn)
        if self._thoughts:
            earlier = turn.get("reasoning_content")
            turn["reasoning_content"] = "\n\n".join([*([earlier] if earlier else []), *self._thoughts])
            self._thoughts.clear()
        return turn

    def _others_turn(self) -> None:
        """Somebody else than the assistant speaks: thoughts that led to nothing are nobody's any more."""
        self._turn = None
        self._thoughts.clear()
        self._show()

    def _show(self) -> None:
        """Shows the images that tools gave back."""
        if self._seen:
            images = [{"type": "image"} for _ in self._seen]
            self.messages.append({"role": "user", "content": images})
            self.pictures += self._seen
            self._seen = []

    def _content(self, content: str | list[Part], path: str) -> str | list[dict[str, Any]]:
        """A user's message: text, or parts where there are images."""
        if isinstance(content, str):
            return content
        if not any(part.type == "input_image" for part in content):
            return _text(content, path, INPUTS)
        parts: list[dict[str, Any]] = []
        for index, part in enumerate(content):
            if part.type == "input_image":
                self.pictures.append(_picture(part, f"{path}[{index}]"))
                parts.append({"type": "image"})
            else:
                parts.append({"type": "text", "text": _part_text(part, f"{path}[{index}]", INPUTS)})
        return parts


def _text(
    content: str | list[Part], path: str, supported: tuple[str, ...], pictures: list[Picture] | None = None
) -> str:
    """The text of a message or an output; parts are blocks of their own, so a line each. Images go to `pictures`."""
    if isinstance(content, str):
        return content
    texts = []
    for index, part in enumerate(content):
        if part.type == "input_image" and pictures is not None:
            pictures.append(_picture(part, f"{path}[{index}]"))
        else:
            texts.append(_part_text(part, f"{path}[{index}]", supported))
    return "\n".join(texts)


def _part_text(part: Part, path: str, supported: Iterable[str]) -> str:
    if part.type in TEXTS:
        # Whichever of the names: clients mix them up, and they mean the same.
        if part.text is None:
            raise problems.missing(f"{path}.text")
        return part.text
    if part.type == "refusal" and "refusal" in supported:
        if part.refusal is None:
            raise problems.missing(f"{path}.refusal")
        return part.refusal
    if part.type in ("input_file", "input_audio", "input_image"):
        raise problems.unsupported(f"{path}.type")
    raise problems.wrong_value(f"{path}.type", supported)


def _picture(part: Part, path: str) -> Picture:
    if part.file_id is not None:
        raise problems.unsupported(f"{path}.file_id")
    if part.image_url is None:
        raise problems.missing(f"{path}.image_url")
    return Picture(part.image_url, f"{path}.image_url")


def _arguments(text: str | None, path: str) -> dict[str, Any]:
    """A call's arguments, which templates take as an object."""
    if text is None:
        raise problems.missing(path)
    # Some clients write no arguments as no text.
    found = json_object(text) if text.strip() else {}
    if found is None:
        raise problems.invalid_value(path, f"Invalid '{path}': expected a JSON object as a string.")
    return found


def _refuse_reference(item: Item) -> None:
    """Raises NotStored for a reference to something that the conversation cannot do without.

    What was thought (`rs_`) it can: clients name it without having been asked to store anything.
    """
    if item.id is None or not item.id.startswith("rs_"):
        message = (
            "Item with this id not found. Items are not persisted: `store` is always false here (zero data retention). "
            "Send the item itself, or remove its reference from your input."
        )
        raise NotStored(message, param="input")
