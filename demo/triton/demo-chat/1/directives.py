"""Orders to the demo model inside the last user message, such as `[[delay=20]]`: they make faults reproducible."""

import base64
import binascii
import json
import re
from dataclasses import dataclass, field

from conversation import Call

_NUMBER = r"(\d+(?:\.\d+)?)"
_PATTERN = re.compile(
    rf"\[\[(?:(delay|fail|n|pace|dry|crash)={_NUMBER}|(failfirst|crash|hang|dry|malformed_call|misfit)|echo64=([A-Za-z0-9+/=]*))\]\]"
)
_CALL = re.compile(r"\[\[call=([\w.:-]+)\s*")
_decode = json.JSONDecoder().raw_decode
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
    calls: list[Call] = field(default_factory=list)
    malformed_call: bool = False
    misfit: bool = False


def read_directives(message: str) -> tuple[Directives, str]:
    """The directives in `message`, and the message without them. `[[echo=` reaches to the last `]]`."""
    found = Directives()
    echo = _ECHO.search(message)
    if echo:
        found.echo = echo[1]
        message = message[: echo.start()] + message[echo.end() :]
    message = _without_calls(message, found.calls)
    for name, number, flag, encoded in _PATTERN.findall(message):
        _apply(found, name or flag, float(number) if number else None, encoded)
    return found, _PATTERN.sub("", message).strip()


def _without_calls(message: str, calls: list[Call]) -> str:
    """Notes each `[[call=name {json}]]`, whose JSON may hold brackets itself, and returns the message without them."""
    while begin := _CALL.search(message):
        arguments, end = {}, begin.end()
        if message.startswith("{", end):
            try:
                arguments, end = _decode(message, end)
            except (ValueError, RecursionError):
                return message
        if not message.startswith("]]", end):
            return message
        calls.append(Call(begin[1], arguments))
        message = message[: begin.start()] + message[end + 2 :]
    return message


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
        case "hang" | "malformed_call" | "misfit":
            setattr(found, name, True)
        case "dry":
            found.dry_after = 3 if number is None else int(number)
        case _:
            try:
                found.echo = base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
            except binascii.Error:
                found.echo = ""
