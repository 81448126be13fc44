"""Settings come from the environment; secrets of the embedded default are made once and kept under `var/`."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent.parent

env = environ.Env()
# What the environment says goes first. Empty: no file is read.
if (env_file := os.environ.get("ENV_FILE", str(BASE_DIR / ".env"))) and Path(env_file).is_file():
    environ.Env.read_env(env_file)


def secrets_of(names: tuple[str, ...], var_dir: Path, *, embedded: bool) -> list[str]:
    """The secrets called `names`, from the environment.

    Only with the embedded database is a missing one made up: 50 random characters, kept in `var/secrets/` (mode 0600),
    so that a restart finds the same. Otherwise raises `ImproperlyConfigured` with the names of all that are missing.
    """
    values = {name: env.str(name, default="") for name in names}
    missing = [name for name, value in values.items() if not value]
    if missing and not embedded:
        raise ImproperlyConfigured(
            f"Not set: {', '.join(missing)}. With DATABASE_URL set, Hanse takes its secrets from the environment; "
            "docs/configuration.md says how to make them."
        )
    return [values[name] or kept_secret(var_dir / "secrets" / name.lower().replace("_", "-")) for name in names]


def kept_secret(path: Path) -> str:
    """The secret in the file `path`, which is made on first use."""
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


def database(url: str, var_dir: Path, *, pool_size: int) -> dict[str, Any]:
    """Django's settings for `url`; empty means SQLite under `var/`."""
    if not url:
        url = f"sqlite:///{var_dir / 'hanse.sqlite3'}"
    settings: dict[str, Any] = dict(environ.Env.db_url_config(url))
    if settings["ENGINE"] == "django.db.backends.sqlite3":
        # IMMEDIATE: a transaction that reads first and writes later would otherwise fail at once when another
        # connection wrote in between, without waiting for the timeout.
        settings["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
        # A file, not Django's shared memory: connections of several threads wait for each other only in a file.
        settings["TEST"] = {"NAME": str(var_dir / "test.sqlite3")}
    else:
        # A pool wants CONN_MAX_AGE 0: a connection kept beyond its request leaks under ASGI.
        settings["CONN_MAX_AGE"] = 0
        # A network that swallows packets ends a connection within seconds instead of a quarter of an hour. What the URL
        # says after its "?", sslmode for one, goes first.
        limits = {"connect_timeout": 5, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
        settings["OPTIONS"] = {
            **limits,
            "tcp_user_timeout": 10_000,
            **settings.get("OPTIONS", {}),
            "pool": {"min_size": 1, "max_size": pool_size, "timeout": 3},
        }
    return settings
