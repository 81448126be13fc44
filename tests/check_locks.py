"""Whether the two locks hold what pyproject.toml asks for: `make check` says what is missing or wrong."""

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
HEADS = {"requirements.txt": "-e .", "requirements-dev.txt": "-r requirements.txt"}


def main() -> int:
    """Prints one sentence for each problem; 1 if there are any."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locks = {name: (ROOT / name).read_text().splitlines() for name in HEADS}
    runtime = project["dependencies"]
    found = problems(runtime, locks, "requirements.txt")
    found += problems([*runtime, *project["optional-dependencies"]["dev"]], locks, *HEADS)
    for problem in dict.fromkeys(found):
        print(problem, "Run: make lock", file=sys.stderr)
    return int(bool(found))


def problems(wanted: Iterable[str], locks: dict[str, list[str]], *names: str) -> list[str]:
    """What keeps the locks `names` together from fulfilling the requirements `wanted`, in sentences."""
    found, pins = [], {}
    for name in names:
        head, *lines = locks[name] or [""]
        if head != HEADS[name]:
            found.append(f"{name} does not begin with “{HEADS[name]}”.")
        for line in lines:
            # A plain version, without a host or a hash of one: what every registry and mirror can serve.
            if re.fullmatch(r"[\w.-]+==[\w.!+]+( ?; .+)?", line) is None:
                found.append(f"{name} has a line that pins no version: {line}")
                continue
            pin = Requirement(line)
            if pins.setdefault(canonicalize_name(pin.name), pin) is not pin:
                found.append(f"{name} pins {pin.name} a second time.")
    for text in wanted:
        requirement = Requirement(text)
        pinned = pins.get(canonicalize_name(requirement.name))
        if pinned is None:
            found.append(f"{names[-1]} does not pin {requirement.name}.")
        elif not requirement.specifier.contains(str(pinned.specifier).removeprefix("=="), prereleases=True):
            found.append(f"{names[-1]} pins {pinned}, and pyproject.toml wants {requirement}.")
    return found


if __name__ == "__main__":
    sys.exit(main())
