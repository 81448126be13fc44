"""Orders to the demo model inside the last user message, such as `[[delay=20]]`: they make faults reproducible."""

import base64
import binascii
import re
from dataclasses import dataclass

_NUMBER = r"(\d+(?:\.\d+)?)"
_PATTERN = re.compile(
    rf"\[\[(?:(delay|fail|n|pace|dry|crash)={_NUMBER}|(failfirst|crash|hang|dry)|echo64=([A-Za-z0-9+/=]*))\]\]"
)
_ECHO = re.compile(r"\[\[echo=(.*)\]\]", re.DOTALL)


@dataclass
class Directives:
    """What the message ordered; see demo/triton/README.md."""

    delay: float = 0.0
    fail_after: int | None = None
    fail_first: bool = False
    crash_after: int | None = None
    tokens: int | None = None
    pace: float | None = None
    hang: bool = False
    dry_after: int | None = None
    echo: str | None = None


def read_directives(message: str) -> tuple[Directives, str]:
    """The directives in `message`, and the message without them. `[[echo=` reaches to the last `]]`."""
    found = Directives()
    echo = _ECHO.search(message)
    if echo:
        found.echo = echo[1]
        message = message[: echo.start()] + message[echo.end() :]
    for name, number, flag, encoded in _PATTERN.findall(message):
        _apply(found, name or flag, float(number) if number else None, encoded)
    return found, _PATTERN.sub("", message).strip()


def _apply(found: Directives, name: str, number: float | None, encoded: str) -> None:
    match name:
        case "delay":
            found.delay = number or 0.0
        case "fail":
            found.fail_after = int(number or 0)
        case "failfirst":
            found.fail_first = True
        case "crash":
            found.crash_after = int(number or 0)
        case "n":
            found.tokens = max(1, int(number or 1))
        case "pace":
            found.pace = number
        case "hang":
            found.hang = True
        case "dry":
            found.dry_after = 3 if number is None else int(number)
        case _:
            try:
                found.echo = base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
            except binascii.Error:
                found.echo = ""
