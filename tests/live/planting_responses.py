"""Canaries in requests for responses: that go well, that are wrong, that fail, and that name something stored."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.live.asking import call
from tests.stack import Server, Stack

PATH = "/v1/responses"


def bodies(words: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The requests."""
    prompt = words["prompt"]
    schema = {"type": "object", "properties": {prompt: {"type": "string", "enum": [words["completion"]]}}}
    tool = {"type": "function", "name": words["name"], "description": prompt, "parameters": schema}
    base = {
        "model": "demo-chat",
        "instructions": words["system"],
        "user": words["user"],
        "metadata": {"note": words["metadata"]},
        "prompt_cache_key": words["stop"],
        "client_metadata": {words["unknown"]: words["unknown"]},
        "include": ["reasoning.encrypted_content", words["unknown"]],
    }
    thought = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": prompt}]}
    called = {"type": "function_call", "call_id": prompt, "name": words["name"], "arguments": f'{{"a": "{prompt}"}}'}
    result = {"type": "function_call_output", "call_id": prompt, "output": prompt}
    history = [{"role": "user", "content": prompt}, thought, called, result]
    for stream in (True, False):
        asked = {**base, "stream": stream}
        yield {**asked, "input": f"{prompt} [[echo={words['completion']}]]", "reasoning": {"effort": "low"}}
        yield {**asked, "input": history}
        yield {**asked, "input": prompt, "tools": [tool], "tool_choice": "required"}
        yield {**asked, "input": prompt, "text": {"format": {"type": "json_schema", "name": prompt, "schema": schema}}}
        for directive in ("[[fail=0]]", "[[fail=2]]", "[[dry]]"):
            yield {**asked, "input": f"{prompt} {directive}"}
    yield {**base, "input": prompt * 20_000}
    yield {**base, "input": prompt, "model": prompt}
    yield {**base, "input": [{**called, "arguments": prompt}]}
    yield {**base, "input": [result]}
    yield {**base, "input": [{"type": prompt}]}
    yield {**base, "input": [{"type": "item_reference", "id": prompt}]}
    yield {**base, "input": [{**thought, "encrypted_content": prompt}, {"role": "user", "content": "Hi"}]}
    yield {**base, "input": prompt, "previous_response_id": prompt}
    yield {**base, "input": prompt, "tools": [{**tool, "parameters": {"type": prompt}}]}
    yield {**base, "input": prompt, "tool_choice": {"type": "function", "name": prompt}}


def plant_responses(server: Server, stack: Stack, words: dict[str, str]) -> None:
    """Sends them, has input counted, and asks for what is not stored."""

    def send(body: dict[str, Any]) -> int:
        return call(server, stack.api_key, path=PATH, json=body).status_code

    with ThreadPoolExecutor(6) as clients:
        assert {*clients.map(send, bodies(words))} == {200, 400, 404, 502}
    counted = {"model": "demo-chat", "input": words["prompt"]}
    assert call(server, stack.api_key, path=f"{PATH}/input_tokens", json=counted).status_code == 200
    stored = call(server, stack.api_key, method="GET", path=f"{PATH}/resp_{words['prompt']}")
    assert stored.status_code == 404
