"""Prompts for the demo models as their own chat templates render them."""

from typing import Any

from inference.tokenization import load_assets
from tests.engines import ROOT

TEMPLATES = {
    name: load_assets(ROOT / "demo" / "assets" / name).chat_template for name in ("demo-chat", "demo-chat-harmony")
}


def tool(name: str, description: str, /, *required: str, **properties: Any) -> dict[str, Any]:
    """A tool in OpenAI's form."""
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


WEATHER = tool(
    "get_weather",
    "Get the current weather of a city.",
    "city",
    city={"type": "string"},
    unit={"type": "string", "enum": ["celsius", "fahrenheit"]},
)
CALCULATE = tool("calculate", "Work out an expression", "expression", expression={"type": "string"})
READ = tool(
    "read_file",
    "Read a file from disk",
    "path",
    path={"type": "string"},
    lines={"type": "integer", "minimum": 1},
)
CLOCK = tool("now", "Tell the time of the day")
TOOLS = [WEATHER, CALCULATE, READ, CLOCK]


def render(
    messages: str | list[dict[str, Any]],
    tools: list[dict[str, Any]] | None = None,
    *,
    model: str = "demo-chat",
    **more: Any,
) -> str:
    """The prompt for messages, or for one of a user."""
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    return TEMPLATES[model].render(messages, tools, **more)


def answered(call: dict[str, Any], result: str, *, asked: str) -> list[dict[str, Any]]:
    """A conversation in which a tool has answered."""
    return [
        {"role": "user", "content": asked},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": call}]},
        {"role": "tool", "tool_call_id": "c1", "content": result},
    ]
