"""What Codex 0.169 sends: its headers, its first request, and the one that follows a call."""

import json
from typing import Any

HEADERS = {
    "accept": "text/event-stream",
    "originator": "codex_exec",
    "session-id": "019a0d9e-5d4f-7b6e-9a39-2f1c3b1c7c11",
    "thread-id": "019a0d9e-5d4f-7b6e-9a39-2f1c3b1c7c11",
    "user-agent": "codex_exec/0.169.0 (Debian 12.0.0; x86_64) unknown",
    "x-client-request-id": "019a0d9e-5d4f-7b6e-9a39-2f1c3b1c7c11",
    "x-codex-beta-features": "",
    "x-codex-turn-metadata": '{"turn_id":"019a0d9e-5d4f-7b6e-9a39-2f1c3b1c7c12","sandbox":"none"}',
    "x-codex-window-id": "019a0d9e-5d4f-7b6e-9a39-2f1c3b1c7c11:0",
    "content-type": "application/json",
}


def function(name: str, **properties: Any) -> dict[str, Any]:
    """One of its tools."""
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties)[:1],
        "additionalProperties": False,
    }
    return {"type": "function", "name": name, "description": f"{name}.", "strict": False, "parameters": parameters}


def message(role: str, text: str) -> dict[str, Any]:
    """One of its messages."""
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "id": "msg_019a0d9e5d4f7b6e", "role": role, "content": content}


TEXT = {"type": "string", "description": "Text."}
NUMBER = {"type": "number", "description": "A number."}
TOOLS = [
    function("exec_command", cmd=TEXT, workdir=TEXT, yield_time_ms=NUMBER, max_output_tokens=NUMBER),
    function("write_stdin", session_id=NUMBER, chars=TEXT),
    function(
        "request_user_input", questions={"type": "array", "items": {"type": "object", "properties": {"id": TEXT}}}
    ),
    function("view_image", path=TEXT),
    {
        "type": "namespace",
        "name": "multi_agent_v1",
        "description": "Tools for spawning and managing sub-agents.",
        "tools": [
            function("close_agent", target=TEXT),
            function("resume_agent", id=TEXT),
            function("send_input", target=TEXT, message=TEXT),
            function("spawn_agent", message=TEXT),
            function("wait_agent", targets={"type": "array", "items": TEXT}),
        ],
    },
    function("get_goal"),
    function("create_goal", objective=TEXT),
    function("update_goal", status={"type": "string", "enum": ["complete", "blocked"]}),
]


def first_request(model: str, prompt: str) -> dict[str, Any]:
    """The request for a new question."""
    return {
        "model": model,
        "input": [
            message("developer", "You are a coding agent running in the Codex CLI."),
            message("developer", "<skills_instructions>\n## Skills\n</skills_instructions>"),
            message("user", "<environment_context>\n  <cwd>/tmp</cwd>\n</environment_context>"),
            message("user", prompt),
        ],
        "tools": TOOLS,
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"summary": "auto"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "019a0d9e-5d4f-7b6e-9a39-2f1c3b1c7c11",
        "client_metadata": {
            "x-codex-installation-id": "2c1c8e0e-5a5e-4f43-b2f4-9e4c6b9f3f0d",
            "turn_id": "019a0d9e-5d4f-7b6e-9a39-2f1c3b1c7c12",
            "session_id": "019a0d9e-5d4f-7b6e-9a39-2f1c3b1c7c11",
        },
    }


def next_request(before: dict[str, Any], items: list[dict[str, Any]], outputs: dict[str, str]) -> dict[str, Any]:
    """The request that follows: with the items that were done, as it keeps them, and the calls' results by call id."""
    kept = []
    for item in items:
        if item["type"] == "reasoning":
            # Null also where it came in the clear.
            kept.append({**{key: item[key] for key in ("type", "id", "summary", "encrypted_content")}, "content": None})
        elif item["type"] == "function_call":
            kept.append({key: item[key] for key in item if key in FUNCTION_CALL})
        else:
            kept.append(item)
    results = [
        {"type": "function_call_output", "id": "fco_019a0d9e", "call_id": call_id, "output": output}
        for call_id, output in outputs.items()
    ]
    return {**before, "input": [*before["input"], *kept, *results]}


FUNCTION_CALL = ("type", "id", "status", "name", "namespace", "arguments", "call_id")


def encoded(body: dict[str, Any]) -> bytes:
    """A request as it goes out."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
