"""The configuration that coding agents read: AKI's form, and beside it files for opencode and Codex as they stand.

Sources: https://aki.io/docs/compatibility/for-ai-coding-agents/, https://opencode.ai/config.json and
https://developers.openai.com/codex/config-reference. No price is in the agents' files: they take it for US dollars.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

# Where agents find the key; it is never part of a configuration.
KEY_VARIABLE = "HANSE_API_KEY"
CODEX_NEEDS = "/v1/responses"


def agent_config(*, origin: str, paths: Iterable[str], models: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How to use the API at `origin` (no slash at the end): what is at `paths`, with these model objects.

    `configurations` has the files of agents by their names. Codex speaks the Responses API alone and does nothing
    without tools: it has none where that is not served, or no model calls any.
    """
    paths = [path for path in paths if path.startswith("/v1/") and "{" not in path]
    host = urlsplit(origin).netloc
    provider = re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")
    base_url = f"{origin}/v1"
    chats = [model for model in models if "chat" in model["capabilities"] and "context_length" in model]
    configurations: dict[str, Any] = {"opencode": {"opencode.json": _opencode(provider, host, base_url, chats)}}
    callers = [model for model in chats if "tools" in model["capabilities"]]
    if CODEX_NEEDS in paths and callers:
        configurations["codex"] = _codex(provider, host, base_url, callers)
    return {
        "provider": host,
        "compatibility": "OpenAI-Drop-In",
        "base_url": base_url,
        "authentication": {
            "header": "Authorization",
            "scheme": "Bearer",
            "token_source": f"Environment variable {KEY_VARIABLE}",
        },
        "endpoints": {_name(path): path.removeprefix("/v1") for path in paths},
        "agent_defaults": {"stream": True},
        "models": list(models),
        "configurations": configurations,
    }


def _name(path: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", path.removeprefix("/v1/"))


def _opencode(provider: str, host: str, base_url: str, models: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {
        "$schema": "https://opencode.ai/config.json",
        "provider": {
            provider: {
                "npm": "@ai-sdk/openai-compatible",
                "name": host,
                "options": {"baseURL": base_url, "apiKey": f"{{env:{KEY_VARIABLE}}}"},
                "models": {model["id"]: _opencode_model(model) for model in models},
            }
        },
    }


def _opencode_model(model: dict[str, Any]) -> dict[str, Any]:
    """Without limits, opencode asks for 32,000 tokens and does not know when to compact."""
    return {
        "name": model["name"],
        "limit": {"context": model["context_length"], "output": model["max_output_tokens"]},
        "tool_call": "tools" in model["capabilities"],
        "reasoning": "reasoning" in model["capabilities"],
        "attachment": "image" in model["input_modalities"],
    }


def _codex(provider: str, host: str, base_url: str, models: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The provider for `~/.codex/config.toml`, and a profile for each model, which is a file of its own there."""
    table = {"name": host, "base_url": base_url, "env_key": KEY_VARIABLE, "wire_api": "responses"}
    files = {"config.toml": f"[model_providers.{provider}]\n{_toml(table)}"}
    for model in models:
        profile = {
            "model": model["id"],
            "model_provider": provider,
            "model_context_window": model["context_length"],
            "web_search": "disabled",
        }
        name = re.sub(r"[^A-Za-z0-9._-]", "-", model["id"])
        while f"{name}.config.toml" in files:
            name += "-"
        files[f"{name}.config.toml"] = _toml(profile)
    return files


def _toml(values: dict[str, Any]) -> str:
    # JSON's texts and numbers are TOML's, too.
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
