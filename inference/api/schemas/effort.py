"""How hard a model is to think, as requests name it and chat templates ask for it."""

from typing import Any, Literal

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


def effort_variables(effort: Effort | None) -> dict[str, Any]:
    """What a chat template is told of an effort; nothing where the client names none."""
    if effort is None:
        return {}
    # The second is what templates ask whose models think or do not, and know no degrees (Qwen3, GLM).
    return {"reasoning_effort": effort, "enable_thinking": effort != "none"}
