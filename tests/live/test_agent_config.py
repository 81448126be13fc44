"""What agents are told holds: its base URL, endpoints and models work as they stand."""

import tomllib

import httpx
import openai
import pytest

from tests.live.asking import HELLO, call, check, check_headers

pytestmark = pytest.mark.live


def test_what_everybody_reads_is_all_that_is_needed_beside_a_key(server, stack):
    answer = httpx.get(f"{server.url}/.well-known/agent-config")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    check_headers(answer)
    found = answer.json()
    (model,) = [model for model in found["models"] if model["id"] == stack.model]
    with openai.OpenAI(base_url=found["base_url"], api_key=stack.api_key, max_retries=0, timeout=60) as client:
        said = client.chat.completions.create(model=model["id"], messages=HELLO, max_tokens=2)
    assert said.model == stack.model
    provider = found["configurations"]["opencode"]["opencode.json"]["provider"]
    (settings,) = provider.values()
    assert settings["options"]["baseURL"] == found["base_url"]
    assert settings["models"][stack.model]["limit"] == {
        "context": model["max_model_len"],
        "output": model["max_output_tokens"],
    }
    again = httpx.get(f"{server.url}/.well-known/agent-config", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code in {200, 304}
    assert (again.status_code == 304) == (again.headers["etag"] == answer.headers["etag"])


def test_codex_finds_a_provider_and_a_model_that_answer(uvicorn, stack):
    found = call(uvicorn, stack.api_key, "GET", "/v1/agent-config").json()
    files = {name: tomllib.loads(text) for name, text in found["configurations"]["codex"].items()}
    profile = files[f"{stack.model}.config.toml"]
    provider = files["config.toml"]["model_providers"][profile["model_provider"]]
    assert provider["wire_api"] == "responses"
    with openai.OpenAI(base_url=provider["base_url"], api_key=stack.api_key, max_retries=0, timeout=60) as client:
        assert client.responses.create(model=profile["model"], input="Hello", max_output_tokens=2).model == stack.model


def test_every_endpoint_that_is_named_is_there(server, stack):
    found = call(server, stack.api_key, "GET", "/v1/agent-config").json()
    for path in found["endpoints"].values():
        answer = httpx.request("PUT", found["base_url"] + path, headers={"authorization": f"Bearer {stack.api_key}"})
        assert answer.status_code == 405, path


def test_one_without_a_key_is_refused(server):
    check(call(server, None, "GET", "/v1/agent-config"), 401, "invalid_request_error", "invalid_api_key")
