"""demo-chat: a chat model in Qwen3's format, with tools, thinking, guided decoding and images."""

from vllm_backend import VllmBackend


class TritonPythonModel(VllmBackend):
    """The backend as it is."""
