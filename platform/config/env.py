"""Settings come from the environment; secrets of the embedded default are made once and kept under `var/`."""

import contextlib
import os
import secrets
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent.parent

env = environ.Env()
if (BASE_DIR / ".env").is_file():
    environ.Env.read_env(str(BASE_DIR / ".env"))


def secret(name: str, var_dir: Path, *, embedded: bool) -> str:
    """The secret `name` from the environment.

    Only with the embedded database is a missing one made up: 50 random characters, kept in `var/secrets/` (mode 0600),
    so that a restart finds the same. Raises `ImproperlyConfigured` otherwise.
    """
    value: str = env.str(name, default="")
    if value:
        return value
    if not embedded:
        raise ImproperlyConfigured(f"{name} is not set. With DATABASE_URL set, Hanse needs {name} in the environment.")
    path = var_dir / "secrets" / name.lower().replace("_", "-")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(38)[:50])
        # Linking fails where another process was first: both then read the same secret.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text().strip()


def database(url: str, var_dir: Path, *, pool_size: int) -> dict[str, object]:
    """Django's settings for `url`; empty means SQLite under `var/`."""
    if not url:
        url = f"sqlite:///{var_dir / 'hanse.sqlite3'}"
    settings: dict[str, object] = dict(environ.Env.db_url_config(url))
    if settings["ENGINE"] == "django.db.backends.sqlite3":
        # IMMEDIATE: a transaction that reads first and writes later would otherwise fail at once when another
        # connection wrote in between, without waiting for the timeout.
        settings["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
    else:
        # A pool wants CONN_MAX_AGE 0: a connection kept beyond its request leaks under ASGI.
        settings["CONN_MAX_AGE"] = 0
        settings["OPTIONS"] = {"pool": {"min_size": 1, "max_size": pool_size, "timeout": 10}}
    return settings
