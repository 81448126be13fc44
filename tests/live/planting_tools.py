"""Canaries in tools, forms and images: in what works, what is refused, and answers that are not as they should be."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.live.asking import ask, call
from tests.stack import Server, Stack


def plant_tools(server: Server, stack: Stack, words: dict[str, str]) -> None:
    """Requests with the words wherever a word can be."""

    def send(body: Any) -> int:
        return call(server, stack.api_key, json={"model": "demo-chat", **body}).status_code

    with ThreadPoolExecutor(6) as clients:
        assert {*clients.map(send, working(words))} == {200}
        assert {*clients.map(send, unfit(words))} == {502}
        assert {*clients.map(send, wrong(words))} == {400}
    streams = [
        call(server, stack.api_key, json={"model": "demo-chat", "stream": True, **body}) for body in unfit(words)
    ]
    assert all('"error"' in answer.text for answer in streams)


def tool(words: dict[str, str], **more: Any) -> dict[str, Any]:
    """A function that speaks of them; its name is the one that calls it."""
    schema = {"type": "object", "properties": {words["unknown"]: {"type": "string", "description": words["system"]}}}
    function = {"name": words["name"], "description": words["prompt"], "parameters": {**schema, **more}}
    return {"type": "function", "function": function}


def form(schema: Any, **more: Any) -> dict[str, Any]:
    """A form of the answer."""
    return {"type": "json_schema", "json_schema": {"name": "form", "schema": schema, **more}}


def working(words: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Requests that are answered."""
    arguments = json.dumps({words["unknown"]: words["prompt"]})
    calling = ask(f"{words['prompt']} [[call={words['name']} {arguments}]]")
    for stream in (False, True):
        yield {"messages": calling, "tools": [tool(words)], "stream": stream}
        yield {"messages": calling, "tools": [tool(words)], "tool_choice": "required", "stream": stream}
        yield {
            "messages": ask(words["prompt"]),
            "response_format": form({"enum": [words["completion"]]}),
            "stream": stream,
        }
    made = {"id": words["user"], "type": "function", "function": {"name": words["name"], "arguments": arguments}}
    asked = {"role": "assistant", "content": words["completion"], "reasoning": words["system"], "tool_calls": [made]}
    result = {"role": "tool", "tool_call_id": words["user"], "content": words["unknown"]}
    yield {"messages": [*ask("Go"), asked, result], "tools": [tool(words)]}


def unfit(words: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Requests whose answers are not what was asked for."""
    schema = {"type": "object", "properties": {words["unknown"]: {"enum": [words["prompt"]]}}, "required": ["never"]}
    misfit = ask(f"{words['prompt']} [[misfit]]")
    yield {"messages": misfit, "response_format": form(schema)}
    impossible = {"type": "null", "not": {"type": "null"}, "description": words["completion"]}
    yield {"messages": ask(words["prompt"]), "response_format": form(impossible)}
    yield {"messages": misfit, "tools": [tool(words)], "tool_choice": "required"}
    strict = {"additionalProperties": False, "required": [words["completion"]], "properties": {words["completion"]: {}}}
    calling = ask(f"{words['prompt']} [[call={words['name']} {json.dumps({words['unknown']: 1})}]]")
    yield {
        "messages": calling,
        "tools": [{**tool(words), "function": {**tool(words, **strict)["function"], "strict": True}}],
    }


def wrong(words: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Requests that are refused."""
    prompt = words["prompt"]
    hello = {"messages": ask(prompt)}
    for schema in (
        {"type": prompt},
        {"$ref": f"https://{prompt}.invalid/x"},
        {"$ref": f"#/{prompt}"},
        {"pattern": f"(?={prompt})"},
        {"properties": {prompt: prompt}},
    ):
        yield {**hello, "response_format": form(schema, strict=True)}
        yield {**hello, "tools": [tool(words, **schema, strict=True), tool(words, **schema)]}
    yield {**hello, "response_format": form({"properties": {prompt: {"not": {"const": prompt}}}}, strict=True)}
    yield {**hello, "response_format": {"type": prompt}}
    yield {**hello, "tools": [{"type": prompt}]}
    yield {**hello, "tools": [tool(words), tool(words)]}
    yield {**hello, "tools": [tool({**words, "name": f"{prompt} {prompt}"})]}
    yield {**hello, "tools": [tool(words)], "tool_choice": {"type": "function", "function": {"name": prompt}}}
    made = {"id": prompt, "type": "function", "function": {"name": prompt, "arguments": prompt}}
    yield {"messages": [{"role": "assistant", "tool_calls": [made]}]}
    for url in (prompt, f"https://{prompt}.invalid/a.png", f"data:image/png;base64,{prompt}", f"file:///{prompt}"):
        yield {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}
