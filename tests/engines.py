"""Engines for a test run, and an environment without the caller's settings.

The databases of a run are its own: made on the server that was named, and dropped at the end.
"""

import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis

# For an embedded Triton that need not serve more.
DEMO_CHAT = ("demo-chat",)
ROOT = Path(__file__).resolve().parent.parent
REDIS_CLAIM = "hanse-test-run"


def setting_names() -> set[str]:
    """The environment variables that the settings read."""
    source = "".join((ROOT / "platform" / "config" / name).read_text() for name in ("settings.py", "env.py"))
    called = re.findall(r'(?:env\.\w+\(|environ\.get\()\s*"([A-Z_]+)"', source)
    secret = re.findall(r'"([A-Z_]+)"', re.search(r"secrets_of\(\s*\((.*?)\)", source, re.DOTALL)[1])
    return {*called, *secret}


def plain_environment() -> dict[str, str]:
    """This process' environment without any of Hanse's settings, and without the `make` that may be running it."""
    dropped = {*setting_names(), "MAKEFLAGS", "MAKELEVEL", "MAKE_TERMERR", "MAKE_TERMOUT", "MFLAGS"}
    return {name: value for name, value in os.environ.items() if name not in dropped} | {"ENV_FILE": ""}


def server_environment(database_url: str, redis_url: str) -> dict[str, str]:
    """Settings that a run on servers needs; with an empty `database_url`, the embedded default needs none."""
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    if database_url:
        env |= {
            "SECRET_KEY": secrets.token_urlsafe(48),
            "API_KEY_PEPPER": secrets.token_urlsafe(48),
            "TOKEN_SIGNING_KEY": secrets.token_urlsafe(48),
            # Each web server of a stack has a PUBLIC_URL of its own; tokens are good at all of them.
            "TOKEN_ISSUER": "https://ai.example.eu",
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
        }
    return env


def with_database(url: str, name: str) -> str:
    """`url` with another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@contextmanager
def postgres_database(server_url: str) -> Iterator[str]:
    """A new, empty database on the server, dropped at the end; yields its URL."""
    name = f"hanse_stack_{secrets.token_hex(6)}"
    with psycopg.connect(with_database(server_url, "postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield with_database(server_url, name)
        finally:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def redis_database(server_url: str) -> Iterator[str]:
    """An empty database of the Redis server that nobody else uses, emptied at the end; yields its URL.

    Other runs on the same server, of other copies too, keep away from it by its claim.
    """
    parts = urlsplit(server_url)
    for number in range(15, -1, -1):
        url = urlunsplit(parts._replace(path=f"/{number}"))
        with redis.Redis.from_url(url) as client:
            if client.dbsize() or not client.set(REDIS_CLAIM, os.getpid(), nx=True, ex=7200):
                continue
            try:
                yield url
            finally:
                client.flushdb()
            return
    raise RuntimeError(f"No database of the Redis server at {parts.hostname}:{parts.port} is empty.")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
