"""Adapters: how each kind of engine is spoken to."""

from inference.backends.triton_vllm import TritonVllm
from inference.generation import Backend

BACKENDS: dict[str, Backend] = {
    "triton_vllm": TritonVllm(),
}
