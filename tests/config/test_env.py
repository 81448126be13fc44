"""Reading the environment: secrets that are kept, refused or missing, and databases."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.env import database, secrets_of
from tests.engines import ROOT, plain_environment


def test_embedded_secret_is_made_once_and_kept_for_this_user_only(tmp_path, monkeypatch):
    monkeypatch.delenv("SECRET_KEY", raising=False)
    first = secrets_of(("SECRET_KEY",), tmp_path, embedded=True)
    assert secrets_of(("SECRET_KEY",), tmp_path, embedded=True) == first
    assert len(first[0]) == 50
    file = tmp_path / "secrets" / "secret-key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["secret-key"]


def test_processes_that_start_together_agree_on_an_embedded_secret(tmp_path, monkeypatch):
    monkeypatch.delenv("SECRET_KEY", raising=False)
    monkeypatch.delenv("API_KEY_PEPPER", raising=False)
    env = plain_environment() | {"VAR_DIR": str(tmp_path)}
    code = "from django.conf import settings; print(settings.SECRET_KEY, settings.API_KEY_PEPPER)"

    def ask(number: int) -> str:
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=env | {"DJANGO_SETTINGS_MODULE": "config.settings"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(ask, range(4)))
    assert len(answers) == 1
    key, pepper = answers.pop().split()
    assert key != pepper


def test_environment_wins_over_a_kept_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "from the environment")
    assert secrets_of(("SECRET_KEY",), tmp_path, embedded=True) == ["from the environment"]
    assert list(tmp_path.iterdir()) == []


def test_without_the_embedded_database_every_missing_secret_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("SECRET_KEY", raising=False)
    monkeypatch.delenv("API_KEY_PEPPER", raising=False)
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY, API_KEY_PEPPER"):
        secrets_of(("SECRET_KEY", "API_KEY_PEPPER"), tmp_path, embedded=False)
    assert list(tmp_path.iterdir()) == []


def test_manage_says_in_one_sentence_that_secrets_are_missing(manage):
    done = manage("check", "--deploy", DATABASE_URL="postgres://nobody@127.0.0.1:1/none")
    assert done.returncode == 1
    assert "SECRET_KEY, API_KEY_PEPPER, TOKEN_SIGNING_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_sqlite_waits_for_writers_from_the_first_statement(tmp_path):
    settings = database("", tmp_path, pool_size=3)
    assert settings["NAME"] == str(tmp_path / "hanse.sqlite3")
    assert settings["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in settings["OPTIONS"]["init_command"]


def test_postgres_url_keeps_its_options_beside_the_pool(tmp_path):
    settings = database("postgres://u:p@db:5433/hanse?sslmode=require", tmp_path, pool_size=7)
    assert (settings["HOST"], settings["PORT"], settings["NAME"]) == ("db", 5433, "hanse")
    assert settings["OPTIONS"]["sslmode"] == "require"
    assert settings["OPTIONS"]["pool"]["max_size"] == 7
    assert settings["CONN_MAX_AGE"] == 0


def test_env_file_fills_in_what_the_environment_leaves_out(tmp_path):
    file = tmp_path / "settings.env"
    file.write_text("API_KEY_PREFIX=sk-file-\nMAX_BODY_BYTES=1234\n")
    env = plain_environment() | {
        "ENV_FILE": str(file),
        "VAR_DIR": str(tmp_path / "var"),
        "MAX_BODY_BYTES": "99",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    code = "from django.conf import settings; print(settings.API_KEY_PREFIX, settings.MAX_BODY_BYTES)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["sk-file-", "99"]


def test_this_run_uses_no_setting_of_the_caller():
    assert os.environ["ENV_FILE"] == ""
    assert str(ROOT / "var") != os.environ["VAR_DIR"]
