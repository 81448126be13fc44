"""Parsers of what models write: text in, as it comes, and what it means out. Pure: no engine, no OpenAI JSON."""

from collections.abc import Callable

from inference.parsers.call_formats import JsonCalls, XmlCalls
from inference.parsers.closing_calls import LlamaCalls, MistralCalls
from inference.parsers.enclosed_calls import EnclosedCalls
from inference.parsers.glm_calls import GlmCalls
from inference.parsers.harmony import Channels, HarmonyCalls, HarmonyParser
from inference.parsers.pass_through import PassThrough
from inference.parsers.reasoning import Markers, Parts, ReasoningParser
from inference.parsers.tool_calls import Text, ToolCall, ToolParser, Tools

# By the names that vLLM gives them. `deepseek_r1` is for models that think unasked and may leave out the opening
# marker; `qwen3` for all others, those whose template opens the thinking among them (Qwen3.5, Nemotron, GLM).
REASONING: dict[str, Markers | Channels] = {
    "qwen3": Markers("<think>", "</think>"),
    "deepseek_r1": Markers("<think>", "</think>", thinks_unasked=True),
    "mistral": Markers("[THINK]", "[/THINK]", special_tokens=True),
    "openai_gptoss": Channels(),
}

# Also by vLLM's names, but for `pass_through`. Each makes a parser of one answer from the tools that were offered.
# `openai` reads what `openai_gptoss` leaves of an answer of gpt-oss.
TOOL_CALLS: dict[str, Callable[[Tools], ToolParser]] = {
    "hermes": lambda tools: EnclosedCalls(JsonCalls(), tools),
    "qwen3_coder": lambda tools: EnclosedCalls(XmlCalls(), tools),
    "llama3_json": LlamaCalls,
    "mistral": MistralCalls,
    "openai": lambda tools: EnclosedCalls(HarmonyCalls(), tools),
    "glm45": lambda tools: EnclosedCalls(GlmCalls(), tools),
    "pass_through": PassThrough,
}

__all__ = [
    "REASONING",
    "TOOL_CALLS",
    "Channels",
    "HarmonyParser",
    "Markers",
    "Parts",
    "ReasoningParser",
    "Text",
    "ToolCall",
    "ToolParser",
    "Tools",
]
