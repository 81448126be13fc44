"""The layout's traps: `platform/` beside Python's own module, and modules that grow."""

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


def test_no_module_is_longer_than_a_head_can_hold():
    apps = ("accounts", "billing", "inference", "platform/config", "demo")
    modules = [path for app in apps for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]
    assert len(modules) > 50
    long = {str(path.relative_to(ROOT)): lines for path in modules if (lines := lines_of(path)) > 300}
    assert long == {}


def lines_of(path: Path) -> int:
    return path.read_text().count("\n")
