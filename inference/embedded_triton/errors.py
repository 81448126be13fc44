"""What can go wrong with the embedded Triton; every message is a sentence for a person at a terminal."""

WAY_OUT = "Set TRITON_URL=http://host:8000 to use a Triton server elsewhere."


class TritonError(Exception):
    """The embedded Triton cannot be had."""


class UnsupportedPlatform(TritonError):
    """There is no Triton binary for this machine; the message names the way out."""


class InstallFailed(TritonError):
    """pip could not install the packages."""


class TritonUnavailable(TritonError):
    """The server did not become ready, or ended by itself."""
