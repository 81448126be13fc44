"""Adapters: how each kind of engine is spoken to."""

from inference.backends.triton_tensors import TritonTensors
from inference.backends.triton_vllm import TritonVllm
from inference.generation import Backend

# Of engines that generate text.
BACKENDS: dict[str, Backend] = {
    "triton_vllm": TritonVllm(),
}
# Of engines that make something else of what they are given: vectors, scores, pictures.
TENSOR_BACKENDS: dict[str, TritonTensors] = {
    "triton_tensors": TritonTensors(),
}
