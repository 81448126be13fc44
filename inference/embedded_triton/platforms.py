"""Which machines the nvidia-pytriton wheel runs on, and with which Python.

The wheel is tagged `manylinux_2_35_x86_64`. Its Python backend starts a stub that is linked to one libpython, and
numpy 2 breaks that stub: every text tensor kills it. That leaves the Pythons that numpy 1.26 was built for.
"""

import functools
import os
import platform
import shutil
import subprocess
import sys

from inference.embedded_triton.errors import WAY_OUT, UnsupportedPlatform

GLIBC = (2, 35)
PYTHONS = ("3.12", "3.11", "3.10")


def check_platform() -> None:
    """Raise `UnsupportedPlatform` unless this is Linux on x86-64 with glibc 2.35 or newer."""
    system, machine = platform.system(), platform.machine()
    if system != "Linux" or machine != "x86_64":
        raise UnsupportedPlatform(
            f"The embedded Triton exists for Linux on x86-64 only; this is {system} on {machine}. {WAY_OUT}"
        )
    version = _glibc_version()
    if version is None or version < GLIBC:
        found = "another C library" if version is None else f"glibc {version[0]}.{version[1]}"
        raise UnsupportedPlatform(
            f"The embedded Triton needs glibc {GLIBC[0]}.{GLIBC[1]} or newer; this machine has {found}. {WAY_OUT}"
        )


@functools.cache
def find_python() -> str:
    """The path of a Python that Triton's stub can be run with: this one if possible, else another on PATH.

    Raises `UnsupportedPlatform` when there is none.
    """
    if f"{sys.version_info[0]}.{sys.version_info[1]}" in PYTHONS:
        return sys.executable
    for version in PYTHONS:
        candidate = shutil.which(f"python{version}")
        if candidate and _runs(candidate):
            return candidate
    raise UnsupportedPlatform(
        f"The embedded Triton needs a Python {PYTHONS[-1]} to {PYTHONS[0]} on PATH; "
        f"this is Python {platform.python_version()} and no other was found. {WAY_OUT}"
    )


def _runs(python: str) -> bool:
    # A pyenv shim exists for every version that was ever installed, and works only for the selected ones.
    return subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode == 0  # noqa: S603


def _glibc_version() -> tuple[int, int] | None:
    try:
        name, _, number = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        return None
    if name != "glibc":
        return None
    major, minor = number.split(".")[:2]
    return int(major), int(minor)
