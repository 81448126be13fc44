"""What a response repeats of its request."""

from typing import Any

from inference.api.schemas.responses.fields import ResponsesRequest, TextFormat
from inference.api.schemas.responses.tools import Offered


def echo_of(request: ResponsesRequest, offered: Offered) -> dict[str, Any]:
    """The keys of a response that say how it was asked for, each with its default where the request leaves it out.

    `tools` are those that were offered to the model. `store` is always false.
    """
    text = request.text
    effort = None if request.reasoning is None else request.reasoning.effort
    summary = None if request.reasoning is None else request.reasoning.summary
    return {
        "background": False,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": request.max_tool_calls,
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": None,
        "prompt_cache_key": request.prompt_cache_key,
        "reasoning": {"effort": effort, "summary": summary},
        "safety_identifier": request.safety_identifier,
        # No tier is offered beside it, whatever was asked.
        "service_tier": "default",
        "store": False,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": {
            "format": _format(None if text is None else text.format),
            **({} if text is None or text.verbosity is None else {"verbosity": text.verbosity}),
        },
        "tool_choice": request.tool_choice or "auto",
        "tools": offered.echo,
        "top_logprobs": request.top_logprobs or 0,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "presence_penalty": request.presence_penalty or 0.0,
        "frequency_penalty": request.frequency_penalty or 0.0,
        "truncation": request.truncation or "disabled",
        "user": request.user,
        "metadata": request.metadata or {},
    }


def _format(found: TextFormat | None) -> dict[str, Any]:
    if found is None:
        return {"type": "text"}
    if found.type != "json_schema":
        return {"type": found.type}
    return {
        "type": found.type,
        "name": found.name,
        "description": found.description,
        "schema": found.schema,
        "strict": found.strict,
    }
