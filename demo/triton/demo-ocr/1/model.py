"""demo-ocr: reads the text in an image, as models such as LightOnOCR do; the message need not hold any text."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from reading import read_text

# All but the reading is demo-chat's: Triton puts only a model's own folder on the path.
sys.path.append(str(Path(__file__).resolve().parents[2] / "demo-chat" / "1"))

from pictures import described
from vllm_backend import VllmBackend

if TYPE_CHECKING:
    from PIL.Image import Image


def transcribed(pictures: "list[Image]", *, german: bool) -> str:
    """The text of each picture, or what it looks like where there is none."""
    return "\n\n".join(read_text(picture) or described([picture], german=german) for picture in pictures)


class TritonPythonModel(VllmBackend):
    """Answers with what it reads."""

    look = staticmethod(transcribed)
