"""The demo models' own modules, for tests that need no Triton: they lie in no package."""

import importlib
import sys
from types import ModuleType

from tests.engines import ROOT

FOLDER = ROOT / "demo" / "triton"


def demo_module(name: str, model: str = "demo-chat") -> ModuleType:
    """A module of a demo model."""
    folder = str(FOLDER / model / "1")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)
