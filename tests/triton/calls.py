"""Calls demo-chat over Triton's HTTP, and reads its metrics."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import httpx

from inference.embedded_triton import EmbeddedTriton

MODEL = "/v2/models/demo-chat"
Frame = dict[str, Any]


def chat(user: str, system: str = "") -> str:
    """A ChatML prompt."""
    before = f"<|im_start|>system\n{system}<|im_end|>\n" if system else ""
    return f"{before}<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"


def body(prompt: str, sampling: dict[str, Any] | None = None, **inputs: Any) -> dict[str, Any]:
    """A streaming request with everything that can be asked for, at temperature 0 unless told otherwise."""
    outputs = ("finish_reason", "cumulative_logprob", "logprobs", "num_input_tokens", "num_output_tokens")
    values: dict[str, Any] = {
        "text_input": prompt,
        "stream": True,
        "exclude_input_in_output": True,
        "sampling_parameters": json.dumps({"temperature": 0, "max_tokens": 400} if sampling is None else sampling),
        **{f"return_{name}": True for name in outputs},
        **inputs,
    }
    return {name: value for name, value in values.items() if value is not None}


def stream(
    triton: EmbeddedTriton,
    prompt: str,
    sampling: dict[str, Any] | None = None,
    *,
    model: str = "demo-chat",
    **inputs: Any,
) -> list[Frame]:
    """The frames of generate_stream."""
    url = f"{triton.url}/v2/models/{model}/generate_stream"
    answer = httpx.post(url, json=body(prompt, sampling, **inputs), timeout=60)
    return [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data: ")]


def whole(triton: EmbeddedTriton, prompt: str, sampling: dict[str, Any] | None = None, **inputs: Any) -> Frame:
    """The single answer of generate, asked without streaming."""
    values = body(prompt, sampling, **{"stream": False, **inputs})
    return dict(httpx.post(f"{triton.url}{MODEL}/generate", json=values, timeout=60).json())


def text_of(frames: list[Frame]) -> str:
    """The text of a stream with one choice."""
    return "".join(frame["text_output"] for frame in frames)


def tokens_of(frames: list[Frame]) -> int:
    """How many tokens a stream with one choice says it generated."""
    return sum(frame["num_output_tokens"] for frame in frames)


def error_of(frames: list[Frame]) -> str:
    """The error in the last frame."""
    return str(frames[-1]["error"])


def metric(triton: EmbeddedTriton, name: str) -> float:
    """A value from Triton's metrics page."""
    page = httpx.get(triton.metrics_url).text
    found = re.search(rf"^demo_chat_{name}(?:{{}})? (\S+)$", page, re.MULTILINE)
    assert found, f"no demo_chat_{name}"
    return float(found[1])


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Poll until `condition` holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.05)
