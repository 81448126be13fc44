"""A Hanse of its own for the benchmark: an empty database and VAR_DIR, migrated and seeded, gone afterwards."""

import getpass
import os
import secrets
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from benchmarks.processes import ROOT

STANDARD_SERVER = f"postgres://{getpass.getuser()}@127.0.0.1:5432/postgres"
RECORDED = "SELECT count(*), coalesce(sum(output_tokens), 0) FROM billing_usagerecord WHERE outcome = 'completed'"


class InstallationError(Exception):
    """A step that failed; the text carries the command's output."""


def postgresql_server() -> str | None:
    """URL of a PostgreSQL server: DATABASE_URL's, else the one on the standard local port if it answers, else None.

    Raises `InstallationError` when DATABASE_URL is set and does not answer.
    """
    given = os.environ.get("DATABASE_URL", "")
    if given.startswith("sqlite"):
        return None
    try:
        psycopg.connect(given or STANDARD_SERVER, connect_timeout=2).close()
    except psycopg.OperationalError as error:
        if given:
            raise InstallationError(f"DATABASE_URL does not answer: {error}") from error
        return None
    return given or STANDARD_SERVER


class Installation:
    """Hanse in `folder`, on a database that no one else uses."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.server = postgresql_server()
        self.database = f"hanse_bench_{os.getpid()}"
        self.environment = {name: value for name, value in os.environ.items() if name not in {"REDIS_URL", "DEBUG"}}
        self.environment |= {
            "ENV_FILE": "",
            "DATABASE_URL": self.database_url(),
            "VAR_DIR": str(folder),
            "SECRET_KEY": secrets.token_urlsafe(40),
            "API_KEY_PEPPER": secrets.token_urlsafe(40),
            "TOKEN_SIGNING_KEY": secrets.token_urlsafe(40),
            "ALLOWED_HOSTS": "127.0.0.1",
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
        }

    def database_url(self) -> str:
        """What Hanse gets as DATABASE_URL; empty for SQLite."""
        if self.server is None:
            return ""
        return urlunsplit(urlsplit(self.server)._replace(path=f"/{self.database}"))

    def create(self) -> None:
        """Make the database; `seed` makes its tables."""
        self.on_server("CREATE DATABASE {}")

    def drop(self) -> None:
        """Remove the database; on SQLite it goes with the folder."""
        self.on_server("DROP DATABASE IF EXISTS {} WITH (FORCE)")

    def on_server(self, statement: str) -> None:
        """Run a statement about the own database; nothing on SQLite."""
        if self.server:
            with psycopg.connect(self.server, autocommit=True) as connection:
                connection.execute(sql.SQL(statement).format(sql.Identifier(self.database)))

    def run(self, *arguments: str) -> str:
        """Output of Python with these arguments. Raises `InstallationError`."""
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InstallationError(f"{' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def seed(self, upstream: str) -> str:
        """An organization, and priced and published models with a deployment at `upstream`; the text of a key.

        Raises `InstallationError`.
        """
        return self.run("-m", "benchmarks.seed", upstream)

    def recorded(self) -> dict[str, int]:
        """Usage records of completed requests, and the sum of their output tokens."""
        row: Any
        if self.server:
            with psycopg.connect(self.database_url()) as connection:
                row = connection.execute(RECORDED).fetchone()
        else:
            with closing(sqlite3.connect(f"file:{self.folder / 'hanse.sqlite3'}?mode=ro", uri=True)) as file:
                row = file.execute(RECORDED).fetchone()
        return {"requests": int(row[0]), "tokens": int(row[1])}

    def describe(self) -> str:
        """The database's name and version."""
        if self.server is None:
            return f"SQLite {sqlite3.sqlite_version}"
        with psycopg.connect(self.server) as connection:
            row: Any = connection.execute("SHOW server_version").fetchone()
        return f"PostgreSQL {str(row[0]).split()[0]}"
