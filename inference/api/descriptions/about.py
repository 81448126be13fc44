"""The document itself, and what agents are told."""

from typing import Any

from inference.api.answers.models import AgentConfig
from inference.api.openapi import Operation

GET_OPENAPI = Operation(
    id="getOpenApi",
    summary="This document",
    tag="About this API",
    description="OpenAPI 3.1, made of the routes and types of the very server that answers.",
    answer=dict[str, Any],
    not_modified=True,
)
GET_AGENT_CONFIG = Operation(
    id="getAgentConfig",
    summary="How to set up an agent with this key",
    tag="About this API",
    description="Base URL, endpoints, and the models that the key may use with their limits and its organization's"
    " prices; beside them the files of opencode and Codex as they stand.",
    answer=AgentConfig,
)
GET_PUBLIC_AGENT_CONFIG = Operation(
    id="getPublicAgentConfig",
    summary="How to set up an agent",
    tag="About this API",
    description="The same for everybody: public models, list prices.",
    answer=AgentConfig,
    not_modified=True,
)
