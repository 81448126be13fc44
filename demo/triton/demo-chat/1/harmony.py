"""gpt-oss's format: messages with channels, tools as TypeScript, one call at the end of a turn."""

import json
import re
from typing import Any

from conversation import Call, Conversation, Result, Tool
from vocabulary import Turn, Vocabulary

_NAMESPACE = re.compile(r"\n*# Tools\n.*", re.DOTALL)
_INSTRUCTIONS = re.compile(r"\A\s*# Instructions\n+")
_HEADER = re.compile(r"\A(?P<author>[^\s<]+)?(?:\s+to=(?P<before>[^\s<]+))?")
_CHANNEL = re.compile(r"<\|channel\|>\s*(?P<channel>\w+)(?:\s+to=(?P<recipient>[^\s<]+))?")
_RECIPIENT = "functions."


class Harmony:
    """Reads prompts and writes answers."""

    # A call ends the turn as well.
    STOPS = ("<|return|>", "<|call|>")

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def read(self, prompt: list[int]) -> Conversation:
        """The conversation in a prompt; one without messages is a plain completion: one message of the user."""
        text = self._vocabulary.decode(prompt, special=True)
        conversation = Conversation(turns=[])
        for message in text.split("<|start|>")[1:]:
            header, marker, body = message.partition("<|message|>")
            if marker:
                self._note(header, re.split(r"<\|(?:end|return|call)\|>", body)[0], conversation)
        if not conversation.turns:
            conversation.turns = [Turn("user", text)]
        return conversation

    def _note(self, header: str, body: str, conversation: Conversation) -> None:
        found, channel = _HEADER.match(header), _CHANNEL.search(header)
        author = (found and found["author"]) or ""
        recipient = (found and found["before"]) or (channel and channel["recipient"]) or ""
        match author:
            case "developer" | "system":
                if author == "developer":
                    conversation.tools += read_namespace(body)
                    conversation.turns.append(Turn("system", _INSTRUCTIONS.sub("", _NAMESPACE.sub("", body))))
            case "user":
                conversation.results = []
                conversation.turns.append(Turn("user", body))
            case "assistant":
                if not recipient and (channel is None or channel["channel"] != "analysis"):
                    conversation.turns.append(Turn("assistant", body))
            case _:
                conversation.results.append(Result(author.removeprefix(_RECIPIENT), _unquoted(body)))

    def thinks(self, conversation: Conversation) -> bool:
        """Whether an answer begins with thinking: always."""
        return True

    def write(self, thought: str | None, text: str, calls: list[Call]) -> list[str]:
        """The pieces of an answer, which ends with the first call: the model makes one at a time."""
        pieces = [f"<|channel|>analysis<|message|>{thought}<|end|>"] if thought else []
        start = "<|start|>assistant" if pieces else ""
        if calls and text:
            pieces.append(f"{start}<|channel|>commentary<|message|>{text}<|end|>")
            start = "<|start|>assistant"
        if calls:
            body = json.dumps(calls[0].arguments, ensure_ascii=False)
            recipient = f"to={_RECIPIENT}{calls[0].name}"
            pieces.append(f"{start}<|channel|>commentary {recipient} <|constrain|>json<|message|>{body}<|call|>")
        else:
            pieces.append(f"{start}<|channel|>final<|message|>{text}")
        return pieces

    def malformed(self, thought: str | None) -> list[str]:
        """A call whose arguments are no JSON."""
        *pieces, call = self.write(thought, "", [Call("unfinished", {})])
        return [*pieces, call.replace("{}<|call|>", '{"a": <|call|>')]


def read_namespace(text: str) -> list[Tool]:
    """The tools in a developer's message: `type NAME = (_: {…}) => any;`, comments before it say what it does."""
    tools = []
    for found in re.finditer(r"((?:^//[^\n]*\n)*)^type ([\w.-]+) = \((?:_: (\{.*?^\}))?\) => any;", text, re.M | re.S):
        description = " ".join(line.removeprefix("//").strip() for line in found[1].splitlines())
        tools.append(Tool(found[2], description, read_fields(found[3] or "{}")))
    return tools


def read_fields(text: str) -> dict[str, Any]:
    """The JSON Schema of an object type with a field in each line."""
    properties: dict[str, Any] = {}
    required = []
    for name, optional, kind in re.findall(r"^\s*\"?([\w.-]+)\"?(\?)?: (.*?),?(?:\s*//[^\n]*)?$", text, re.M):
        properties[name] = _type(kind.strip().rstrip(","))
        if not optional:
            required.append(name)
    return {"type": "object", "properties": properties, "required": required}


def _type(text: str) -> dict[str, Any]:
    options = [option.strip() for option in text.split(" | ") if option.strip() != "null"]
    if options and all(option.startswith('"') for option in options):
        return {"type": "string", "enum": [json.loads(option) for option in options]}
    first = options[0] if options else "string"
    if first.endswith("[]"):
        return {"type": "array", "items": _type(first.removesuffix("[]"))}
    return {"type": first if first in ("string", "number", "integer", "boolean") else "object"}


def _unquoted(text: str) -> str:
    """A tool's result, which templates write as a JSON string."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, str) else text
