"""The configuration of agents, from facts alone."""

import tomllib
from typing import Any

from inference.wire.agent_config import agent_config
from tests.inference.wire.test_models import described

PATHS = [
    "/v1/chat/completions",
    "/v1/models",
    "/v1/models/{model_id}",
    "/v1/usage/records",
    "/.well-known/agent-config",
]
WITH_RESPONSES = ["/v1/responses", *PATHS]
MODELS = [
    described(capabilities=["chat"]),
    described(model_id="acme/large", capabilities=["chat", "tools"], input_modalities=["text", "image"]),
    described(model_id="acme-large", capabilities=["chat", "reasoning", "tools"]),
    described(model_id="acme/embed", capabilities=["embeddings"]),
]


def configured(paths: list[str] = PATHS, models: list[dict[str, Any]] = MODELS) -> dict[str, Any]:
    return agent_config(origin="https://ai.example.eu", paths=paths, models=models)


def test_an_agent_learns_where_how_and_what() -> None:
    found = configured()
    assert (found["provider"], found["base_url"]) == ("ai.example.eu", "https://ai.example.eu/v1")
    assert (found["authentication"]["header"], found["authentication"]["scheme"]) == ("Authorization", "Bearer")
    assert found["endpoints"] == {
        "chat_completions": "/chat/completions",
        "models": "/models",
        "usage_records": "/usage/records",
    }
    assert [model["id"] for model in found["models"]] == ["demo-chat", "acme/large", "acme-large", "acme/embed"]
    sizes = ("max_model_len", "max_output_tokens", "default_output_tokens")
    assert [found["models"][0][size] for size in sizes] == [8192, 4096, 1024]


def test_opencode_gets_a_file_with_limits_and_no_key() -> None:
    file = configured()["configurations"]["opencode"]["opencode.json"]
    (provider,) = file["provider"].items()
    assert provider[0] == "ai-example-eu"
    assert provider[1]["options"] == {"baseURL": "https://ai.example.eu/v1", "apiKey": "{env:HANSE_API_KEY}"}
    models = provider[1]["models"]
    assert list(models) == ["demo-chat", "acme/large", "acme-large"]
    assert models["acme/large"] == {
        "name": "acme/large",
        "limit": {"context": 8192, "output": 4096},
        "tool_call": True,
        "reasoning": False,
        "attachment": True,
    }
    assert (models["acme-large"]["reasoning"], models["demo-chat"]["tool_call"]) == (True, False)


def test_codex_gets_files_where_it_can_work() -> None:
    assert "codex" not in configured()["configurations"]
    assert "codex" not in configured(WITH_RESPONSES, MODELS[:1])["configurations"]
    files = configured(WITH_RESPONSES)["configurations"]["codex"]
    assert tomllib.loads(files["config.toml"])["model_providers"] == {
        "ai-example-eu": {
            "name": "ai.example.eu",
            "base_url": "https://ai.example.eu/v1",
            "env_key": "HANSE_API_KEY",
            "wire_api": "responses",
        }
    }
    profiles = {name: tomllib.loads(text) for name, text in files.items() if name != "config.toml"}
    # Two models whose names differ in what no file is called still have a profile each.
    assert {name: profile["model"] for name, profile in profiles.items()} == {
        "acme-large.config.toml": "acme/large",
        "acme-large-.config.toml": "acme-large",
    }
    assert profiles["acme-large.config.toml"]["model_context_window"] == 8192
    assert all(profile["model_provider"] == "ai-example-eu" for profile in profiles.values())
