"""Parsers of what models write: text in, as it comes, and what it means out. Pure: no engine, no OpenAI JSON."""

from inference.parsers.reasoning import Markers, Parts, ReasoningParser

# By the names that vLLM gives them. `deepseek_r1` is for models that think unasked and may leave out the opening
# marker; `qwen3` for all others, those whose template opens the thinking among them (Qwen3.5, Nemotron, GLM).
REASONING = {
    "qwen3": Markers("<think>", "</think>"),
    "deepseek_r1": Markers("<think>", "</think>", thinks_unasked=True),
    "mistral": Markers("[THINK]", "[/THINK]", special_tokens=True),
}

__all__ = ["REASONING", "Markers", "Parts", "ReasoningParser"]
