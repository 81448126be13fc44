"""The layout's traps: `platform/` beside Python's own module, and locks that install anywhere."""

import subprocess
import sys
from pathlib import Path

from tests.engines import ROOT


def test_platform_is_pythons_own_module_when_run_from_the_root():
    code = "import platform, uuid, config; print(platform.system(), platform.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(("Linux", "Darwin", "Windows"))
    assert str(ROOT) not in done.stdout


def test_platform_folder_is_no_package_and_holds_only_config():
    found = sorted(path.name for path in (ROOT / "platform").iterdir() if path.name != "__pycache__")
    assert found == ["config"]


def test_locks_name_no_host_and_pin_every_package():
    runtime = (ROOT / "requirements.txt").read_text().splitlines()
    development = (ROOT / "requirements-dev.txt").read_text().splitlines()
    assert runtime[0] == "-e ."
    assert development[0] == "-r requirements.txt"
    pins = runtime[1:] + development[1:]
    assert all("==" in pin and "://" not in pin and not pin.startswith(("-", "#")) for pin in pins)
    names = [pin.partition("==")[0] for pin in pins]
    assert len(names) == len(set(names))


def test_no_module_is_longer_than_a_head_can_hold():
    apps = ("accounts", "billing", "inference", "platform/config", "demo")
    modules = [path for app in apps for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]
    assert len(modules) > 50
    long = {str(path.relative_to(ROOT)): lines for path in modules if (lines := lines_of(path)) > 300}
    assert long == {}


def lines_of(path: Path) -> int:
    return path.read_text().count("\n")
