"""Where things are inside the installed wheel, and what Triton needs to find them."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from inference.embedded_triton.errors import WAY_OUT, TritonError

_ASK = """
import json, sys, sysconfig
print(json.dumps({
    "version": "%d.%d" % sys.version_info[:2],
    "site": sysconfig.get_path("purelib"),
    "library": sysconfig.get_config_var("INSTSONAME") or "",
    "folders": [sysconfig.get_config_var("LIBDIR") or "", sys.base_prefix + "/lib"],
}))
"""


@dataclass(frozen=True)
class Layout:
    """The server binary, its folder of backends and the environment variables to start it with."""

    binary: Path
    backends: Path
    environment: dict[str, str]


def prepare_layout(venv: Path) -> Layout:
    """Find the binary in `venv` and assemble the Python backend beside it. Raises `TritonError`."""
    python = json.loads(
        subprocess.run([venv / "bin" / "python", "-c", _ASK], capture_output=True, text=True, check=True).stdout  # noqa: S603
    )
    site = Path(python["site"])
    triton = site / "pytriton" / "tritonserver"
    backends = venv / "backends"
    stub = triton / "python_backend_stubs" / python["version"] / "triton_python_backend_stub"
    if not stub.is_file():
        raise TritonError(f"The Triton wheel has no stub for Python {python['version']}. {WAY_OUT}")
    _assemble_python_backend(backends / "python", triton / "backends" / "python", stub)
    libraries = [str(site / "nvidia_pytriton.libs"), *_libpython(python)]
    environment = {
        # Without the Python's own LIBDIR the stub takes the distribution's libpython and this one's standard library:
        # small models work, `multiprocessing` dies.
        "LD_LIBRARY_PATH": os.pathsep.join([*libraries, *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]),
        # The stub asks the `python` on PATH for its site-packages.
        "PATH": os.pathsep.join([str(venv / "bin"), os.environ.get("PATH", os.defpath)]),
    }
    binary = triton / "bin" / "tritonserver"
    binary.chmod(0o755)
    return Layout(binary, backends, environment)


def _assemble_python_backend(target: Path, source: Path, stub: Path) -> None:
    """Copy backend and stub into one folder: Triton looks for the stub in the backend's folder only."""
    ready = target / stub.name
    if ready.exists():
        return
    target.mkdir(parents=True, exist_ok=True)
    for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
        _copy(source / name, target / name)
    # The stub comes last: its presence says that the folder is complete.
    _copy(stub, ready)


def _copy(source: Path, target: Path) -> None:
    # By rename: another server may be starting from this very folder.
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, draft)
    draft.chmod(0o755)
    draft.rename(target)


def _libpython(python: dict[str, object]) -> list[str]:
    """The folders with the shared library of this Python, first the ones it was configured with."""
    folders = [folder for folder in dict.fromkeys(_strings(python["folders"])) if folder]
    name = f"libpython{python['version']}.so.1.0"
    holders = [folder for folder in folders if (Path(folder) / name).exists()]
    if not holders and name not in _system_libraries():
        raise TritonError(
            f"The embedded Triton needs {name}, and this Python was built without it: "
            f"install your distribution's libpython{python['version']} package, or another Python. {WAY_OUT}"
        )
    return holders


def _system_libraries() -> str:
    ldconfig = shutil.which("ldconfig", path=os.pathsep.join([os.environ.get("PATH", ""), "/sbin", "/usr/sbin"]))
    if ldconfig is None:
        return ""
    return subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=False).stdout  # noqa: S603


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
