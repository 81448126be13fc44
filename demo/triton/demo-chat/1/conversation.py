"""What a prompt comes to once its format is read: who said what, which tools there are, what they answered."""

from dataclasses import dataclass, field
from typing import Any

from vocabulary import Turn


@dataclass(frozen=True)
class Tool:
    """A function that may be called; `parameters` is the JSON Schema of its arguments."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A call of a tool."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Result:
    """What a tool answered; the name is empty where the prompt does not say."""

    name: str
    text: str


@dataclass
class Conversation:
    """The turns without tools and their results. `results` are those since the last question."""

    turns: list[Turn]
    tools: list[Tool] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    # Whether the prompt opens the thinking.
    thinking: bool = False
    # What stands before and behind the gap that a completion is to fill.
    gap: tuple[str, str] | None = None

    @property
    def question(self) -> str:
        """The last message of the user."""
        return next((turn.text for turn in reversed(self.turns) if turn.role == "user"), "").strip()


def tool_of(value: Any) -> Tool | None:
    """A tool from OpenAI's form of it, with or without the `function` around."""
    inner = value.get("function", value) if isinstance(value, dict) else None
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        return None
    parameters = inner.get("parameters")
    return Tool(inner["name"], str(inner.get("description") or ""), parameters if isinstance(parameters, dict) else {})
