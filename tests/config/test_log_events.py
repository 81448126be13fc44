"""What our own modules log comes out with its fields."""

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.env import BASE_DIR
from config.logs import FIELDS, Formatter
from inference.deployment_state import DeploymentState
from inference.failures import Reason
from inference.routing import Router
from tests.inference.test_routing import target

METHODS = {"debug", "info", "warning", "error", "exception", "critical", "report"}
MODULES = [path for app in ("accounts", "billing", "inference") for path in sorted((BASE_DIR / app).rglob("*.py"))]


def events(path: Path) -> Iterator[ast.Call]:
    """The calls in a module that log something."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            if isinstance(node.func.value, ast.Name) and node.func.value.id == "log":
                yield node
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "report":
            yield node


def test_every_field_of_every_event_is_on_the_list() -> None:
    found = {path.relative_to(BASE_DIR): list(events(path)) for path in MODULES}
    assert sum(map(len, found.values())) >= 10
    for path, calls in found.items():
        for call in calls:
            names = {keyword.arg for keyword in call.keywords} - {"exc_info"}
            assert names <= FIELDS, f"{path}:{call.lineno}"
            assert isinstance(call.args[0], ast.Constant), f"{path}:{call.lineno}"


def test_the_apps_log_in_one_way() -> None:
    assert [path for path in MODULES if "getLogger" in path.read_text(encoding="utf-8")] == []


def test_a_deployment_that_fails_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    router, state = Router(), DeploymentState(target("a100-1"), ("a100-1", "acme/small"))
    with caplog.at_level(logging.INFO):
        router.failed(state, Reason.TIMEOUT)
        router.recovered(state)
    failed, recovered = (json.loads(Formatter().format(record)) for record in caplog.records)
    assert (failed["event"], failed["level"], failed["reason"]) == ("deployment_failed", "warning", "timeout")
    assert (recovered["event"], recovered["level"]) == ("deployment_recovered", "info")
    assert failed["deployment"] == recovered["deployment"] == "a100-1"
