"""`docs/configuration.md` and the code name the same environment variables, with the same defaults."""

import ast
import re
import subprocess
import sys

import pytest

from tests.engines import ROOT, plain_environment, setting_names

PAGE = (ROOT / "docs" / "configuration.md").read_text()
ROWS = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| .+ \|$", PAGE, re.MULTILINE))
DEMO = {"PORT", "HOST", "TRITON_URL", "TRITON_HTTP_PORT", "TRITON_GRPC_PORT", "TRITON_METRICS_PORT"}
DEMO_MODELS = {"DEMO_CHAT_TOKENS_PER_SECOND"}


def literal_defaults() -> dict[str, str]:
    """Each setting whose default is written down as a constant, and that default."""
    source = (ROOT / "platform" / "config" / "settings.py").read_text()
    found = {}
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and ast.unparse(node.func.value) == "env"
        ):
            (default,) = [keyword.value for keyword in node.keywords if keyword.arg == "default"]
            if not any(isinstance(part, ast.Name | ast.Call) for part in ast.walk(default)):
                value = eval(compile(ast.Expression(default), "settings", "eval"))  # noqa: S307 - our own constants
                found[ast.literal_eval(node.args[0])] = str(value)
    return found


def test_page_and_settings_name_the_same_variables():
    assert set(ROWS) == setting_names() | DEMO | DEMO_MODELS


def test_page_tells_the_defaults_that_the_settings_have():
    defaults = {name: value for name, value in literal_defaults().items() if value not in {"", "[]"}}
    assert len(defaults) >= 10
    assert {name: ROWS[name] for name in defaults} == {name: f"`{value}`" for name, value in defaults.items()}


def test_page_calls_empty_defaults_empty():
    assert all(ROWS[name].startswith("empty") for name, value in literal_defaults().items() if value in {"", "[]"})


def test_variables_of_the_demo_are_read_by_it():
    source = (ROOT / "demo" / "up.py").read_text() + (ROOT / "Procfile").read_text()
    source += (ROOT / "inference" / "management" / "commands" / "triton.py").read_text()
    assert all(name in source or "TRITON_{name.upper()}_PORT" in source for name in DEMO)
    model = "".join(path.read_text() for path in (ROOT / "demo" / "triton").rglob("*.py"))
    assert all(name in model for name in DEMO_MODELS)


def test_example_names_only_variables_that_exist():
    example = (ROOT / ".env.example").read_text()
    assert set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE)) <= setting_names()


@pytest.mark.parametrize("name", ["SECRET_KEY", "API_KEY_PEPPER", "TOKEN_SIGNING_KEY"])
def test_example_does_not_start_without_secrets(name, tmp_path):
    env = plain_environment() | {"ENV_FILE": str(ROOT / ".env.example"), "VAR_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert name in done.stderr


def test_links_of_the_pages_lead_somewhere():
    pages = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
    pages += (ROOT / "docs").rglob("*.md")
    links = [(page, target) for page in pages for target in re.findall(r"\]\(([^)#]+)", page.read_text())]
    local = [(page, target) for page, target in links if not target.startswith(("http://", "https://", "mailto:"))]
    assert len(local) >= 5
    broken = [f"{page.relative_to(ROOT)}: {target}" for page, target in local if not (page.parent / target).exists()]
    assert broken == []
