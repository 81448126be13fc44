"""Usage records into the database, many in one statement, without the ORM.

The statement takes all of them as one JSON document. On PostgreSQL that costs the process 2-30 us a record, where
arrays for `unnest`, a long VALUES list or `executemany` cost 35-300 us, nearly all of it in adapting single values.
"""

import contextlib
from collections.abc import Callable, Sequence
from copy import deepcopy

import msgspec
import structlog
from django.db import DEFAULT_DB_ALIAS, DataError, IntegrityError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error, load_backend

from billing.entry import UsageEntry

COLUMNS = UsageEntry.__struct_fields__
TEXT = {"model_id": 200, "endpoint": 40, "deployment": 63, "token_source": 10, "outcome": 12, "error_code": 64}
POSTGRESQL_TYPES = {
    **dict.fromkeys(TEXT, "text"),
    "id": "uuid",
    **dict.fromkeys(("organization_id", "project_id", "api_key_id", "price_version_id", "cost_nano"), "bigint"),
    "started_at": "double precision",
    "streamed": "boolean",
}
# What PositiveIntegerField holds on PostgreSQL.
COUNTS = tuple(column for column in COLUMNS if column.endswith(("_tokens", "_ms")) or column in ("images", "documents"))
MAX_COUNT = 2**31 - 1
# A statement that hangs longer is ended by the server; rollups count on it (`billing.services.rollups.OVERLAP`).
STATEMENT_SECONDS = 10
LIMITS = f"SET statement_timeout = '{STATEMENT_SECONDS}s'; SET lock_timeout = '{STATEMENT_SECONDS}s'"
# How long SQLite waits for another writer.
BUSY_SECONDS = 1.0

Insert = Callable[[Sequence[UsageEntry]], int]

log = structlog.get_logger(__name__)

encode_entries = msgspec.json.Encoder().encode
_into = f"INSERT INTO billing_usagerecord ({', '.join(COLUMNS)}, recorded_at) SELECT "
# SQLite takes ON for a join's without a WHERE.
_unless_known = " WHERE true ON CONFLICT (id) DO NOTHING"


def _postgresql() -> str:
    values = ["to_timestamp(started_at)" if column == "started_at" else column for column in COLUMNS]
    types = ", ".join(f"{column} {POSTGRESQL_TYPES.get(column, 'integer')}" for column in COLUMNS)
    source = f"json_to_recordset(%s::json) AS entry ({types})"
    return f"{_into}{', '.join(values)}, clock_timestamp() FROM {source}{_unless_known}"


def _sqlite() -> str:
    stamp = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', {}, 'unixepoch')"
    values = {column: f"json_extract(value, '$.{column}')" for column in COLUMNS}
    values["id"] = f"replace({values['id']}, '-', '')"
    values["started_at"] = stamp.format(values["started_at"])
    return (
        f"{_into}{', '.join(values.values())}, strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')"
        f" FROM json_each(%s){_unless_known}"
    )


INSERT: dict[str, str] = {"postgresql": _postgresql(), "sqlite": _sqlite()}


def insert_records(connection: BaseDatabaseWrapper, entries: Sequence[UsageEntry]) -> int:
    """Writes the entries in one statement on `connection`; how many were new. Raises `django.db.DatabaseError`.

    A record whose id is there already stays as it is.
    """
    with connection.cursor() as cursor:
        cursor.execute(INSERT[connection.vendor], [encode_entries(entries).decode()])
        return cursor.rowcount


def insert_all_that_fit(insert: Insert, entries: Sequence[UsageEntry]) -> list[UsageEntry]:
    """Writes with `insert`, one by one if together they are refused; what the database refuses for good.

    One record with an impossible value, such as an engine's token count beyond 32 bits, must not take others with it.
    """
    try:
        known = len(entries) - insert(entries)
    except (DataError, IntegrityError):
        if len(entries) == 1:
            return _insert_cut_to_fit(insert, entries[0])
        return [refused for entry in entries for refused in insert_all_that_fit(insert, [entry])]
    if known:
        # After a commit whose answer was lost. Anything else that uses an id twice should be seen.
        log.warning("usage_already_recorded", count=known)
    return []


def _insert_cut_to_fit(insert: Insert, entry: UsageEntry) -> list[UsageEntry]:
    for column, length in TEXT.items():
        setattr(entry, column, getattr(entry, column).replace("\0", "")[:length])
    for column in COUNTS:
        if (count := getattr(entry, column)) is not None:
            setattr(entry, column, min(max(count, 0), MAX_COUNT))
    try:
        insert([entry])
    except (DataError, IntegrityError):
        return [entry]
    return []


def own_connection(alias: str = DEFAULT_DB_ALIAS) -> BaseDatabaseWrapper:
    """A connection outside Django's per-thread ones and its pool, not opened yet, that any thread may close."""
    settings = deepcopy(connections[alias].settings_dict)
    if connections[alias].vendor == "postgresql":
        settings["OPTIONS"].pop("pool", None)
    else:
        settings["OPTIONS"] = {**settings["OPTIONS"], "timeout": BUSY_SECONDS}
    connection: BaseDatabaseWrapper = load_backend(settings["ENGINE"]).DatabaseWrapper(settings, alias)
    connection.inc_thread_sharing()
    return connection


class RecordStore:
    """`insert_records` on a connection of its own. For one thread."""

    def __init__(self, alias: str = DEFAULT_DB_ALIAS) -> None:
        """Connects with the first insert."""
        self._connection = own_connection(alias)

    def insert(self, entries: Sequence[UsageEntry]) -> int:
        """As `insert_records`; after an error that may be the connection's, the next insert makes a new one."""
        try:
            if self._connection.connection is None and self._connection.vendor == "postgresql":
                with self._connection.cursor() as cursor:
                    cursor.execute(LIMITS)
            return insert_records(self._connection, entries)
        except (DataError, IntegrityError):
            raise
        except Error:
            self.close()
            raise

    def close(self) -> None:
        """Closes the connection."""
        with contextlib.suppress(Error):
            self._connection.close()
