"""demo-chat-harmony: demo-chat's generator in gpt-oss's format."""

import sys
from pathlib import Path

# All but the format is demo-chat's: Triton puts only a model's own folder on the path.
sys.path.append(str(Path(__file__).resolve().parents[2] / "demo-chat" / "1"))

from harmony import Harmony
from vllm_backend import VllmBackend


class TritonPythonModel(VllmBackend):
    """Takes no images."""

    dialect = Harmony
    multimodal = False
