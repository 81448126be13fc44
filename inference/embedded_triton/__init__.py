"""A real Triton server on this machine's CPU, from PyPI alone: for the demo, for development and for tests."""

from inference.embedded_triton.errors import TritonError, TritonUnavailable, UnsupportedPlatform
from inference.embedded_triton.install import install_triton
from inference.embedded_triton.server import DEMO_REPOSITORY, EmbeddedTriton

__all__ = [
    "DEMO_REPOSITORY",
    "EmbeddedTriton",
    "TritonError",
    "TritonUnavailable",
    "UnsupportedPlatform",
    "install_triton",
]
