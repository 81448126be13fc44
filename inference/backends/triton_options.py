"""The options of a deployment of Triton's vLLM backend, which an operator sets in the admin."""

from collections.abc import Mapping
from typing import Any

from inference.generation import Target

# Under which name the backend takes the form of an answer: the first from 25.11 on, the second before.
GUIDED_DECODING = ("structured_outputs", "guided_decoding", "none")


def guided_key(target: Target) -> str | None:
    """The sampling parameter that holds the form of an answer; None: this engine has no guided decoding."""
    key = target.options.get("guided_decoding", GUIDED_DECODING[0])
    return None if key == "none" else str(key)


def option_problem(options: Any) -> str | None:
    """What is wrong with a deployment's options, in a sentence; None: nothing. Those of other names are nobody's."""
    if not isinstance(options, Mapping):
        return "Options are a JSON object."
    key = options.get("guided_decoding", GUIDED_DECODING[0])
    if key not in GUIDED_DECODING:
        return f'"guided_decoding" is one of {", ".join(GUIDED_DECODING)}.'
    if not isinstance(options.get("strip_bos", ""), str):
        return '"strip_bos" is the text of a token.'
    return None
