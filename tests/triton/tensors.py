"""Calls the demo models that take tensors, over Triton's HTTP with JSON tensors in and binary ones out."""

import base64
import json
from typing import Any

import httpx
import numpy as np

from inference.embedded_triton import EmbeddedTriton


def text(name: str, *values: str, shape: list[int] | None = None) -> dict[str, Any]:
    """An input of texts."""
    return {"name": name, "shape": shape or [len(values)], "datatype": "BYTES", "data": list(values)}


def number(name: str, value: float, datatype: str = "INT32") -> dict[str, Any]:
    """An input of one number."""
    return {"name": name, "shape": [1], "datatype": datatype, "data": [value]}


def file(name: str, *contents: bytes) -> dict[str, Any]:
    """An input of files, which JSON cannot hold: sent behind it."""
    data = b"".join(len(content).to_bytes(4, "little") + content for content in contents)
    parameters = {"binary_data_size": len(data)}
    return {"name": name, "shape": [len(contents)], "datatype": "BYTES", "parameters": parameters, "_data": data}


def infer(triton: EmbeddedTriton, model: str, *inputs: dict[str, Any]) -> httpx.Response:
    """The answer as it came."""
    binary = b"".join(tensor.get("_data", b"") for tensor in inputs)
    plain = [{name: value for name, value in tensor.items() if name != "_data"} for tensor in inputs]
    head = json.dumps({"inputs": plain, "parameters": {"binary_data_output": True}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    url = f"{triton.url}/v2/models/{model}/infer"
    return httpx.post(url, content=head + binary, headers=headers, timeout=30)


def outputs(answer: httpx.Response) -> dict[str, np.ndarray | list[bytes]]:
    """The tensors of an answer by name."""
    assert answer.status_code == 200, answer.text
    head = int(answer.headers["inference-header-content-length"])
    data = answer.content[head:]
    found: dict[str, np.ndarray | list[bytes]] = {}
    for output in json.loads(answer.content[:head])["outputs"]:
        size = output["parameters"]["binary_data_size"]
        raw, data = data[:size], data[size:]
        if output["datatype"] == "BYTES":
            found[output["name"]] = _elements(raw)
        else:
            kind = {"FP32": "<f4", "INT32": "<i4"}[output["datatype"]]
            found[output["name"]] = np.frombuffer(raw, dtype=kind).reshape(output["shape"])
    return found


def _elements(raw: bytes) -> list[bytes]:
    elements = []
    while raw:
        size = int.from_bytes(raw[:4], "little")
        elements.append(raw[4 : 4 + size])
        raw = raw[4 + size :]
    return elements


def encoded(file: bytes) -> str:
    """A file as the vLLM backend takes images."""
    return base64.b64encode(file).decode()
