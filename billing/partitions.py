"""Usage records by month on PostgreSQL: the parent table, its DEFAULT partition and the months made ahead.

The key is a UUIDv7, whose first 48 bits are milliseconds since 1970 (RFC 9562, 5.7), so that a range of ids is a range
of time and the primary key needs no second column.
"""

import uuid
from datetime import UTC, datetime
from typing import Any

from django.db import migrations, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState

TABLE = "billing_usagerecord"
DEFAULT_PARTITION = f"{TABLE}_default"
MONTHS_AHEAD = 3
# A partition that cannot be attached at once because of a long read waits for the next hour: while it waits for its
# lock, all later reads would wait behind it.
LOCK_TIMEOUT = "3s"


def id_at(moment: datetime) -> uuid.UUID:
    """The lowest UUIDv7 of `moment` (aware): ids from then on are greater or equal."""
    return uuid.UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


def month_after(moment: datetime, count: int = 1) -> datetime:
    """The first moment of the month `count` months after that of `moment` (UTC)."""
    index = moment.year * 12 + moment.month - 1 + count
    return datetime(index // 12, index % 12 + 1, 1, tzinfo=UTC)


class CreatePartitionedModel(migrations.CreateModel):
    """`CreateModel` whose table PostgreSQL partitions by range of the primary key; a plain table elsewhere."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Makes the table and, on PostgreSQL, the partition for ids that no month takes."""
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        plain: Any = schema_editor.sql_create_table
        schema_editor.sql_create_table = f"{plain} PARTITION BY RANGE (id)"
        try:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        finally:
            schema_editor.sql_create_table = plain
        schema_editor.execute(f"CREATE TABLE {DEFAULT_PARTITION} PARTITION OF {TABLE} DEFAULT")


def create_partitions(connection: BaseDatabaseWrapper, *, now: datetime) -> list[str]:
    """Makes the partitions of this month and the next `MONTHS_AHEAD` that are missing; their names.

    Nothing to do on SQLite. Records that fell into the DEFAULT partition meanwhile move into theirs. Raises
    `django.db.OperationalError` when a lock cannot be had; what was made until then stays.
    """
    if connection.vendor != "postgresql":
        return []
    made = []
    for count in range(MONTHS_AHEAD + 1):
        begin = month_after(now.astimezone(UTC), count)
        name = f"{TABLE}_{begin:%Y_%m}"
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            # Two tasks at once: the second waits, then finds the partition.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [TABLE])
            cursor.execute("SELECT to_regclass(%s)", [name])
            if cursor.fetchone()[0] is None:
                _create(cursor, name, id_at(begin), id_at(month_after(begin)))
                made.append(name)
    return made


def _create(cursor: Any, name: str, begin: uuid.UUID, end: uuid.UUID) -> None:
    # Attached rather than created in place: CREATE TABLE ... PARTITION OF locks out inserts into the parent. The names
    # and bounds are our own, nothing of a request.
    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    cursor.execute(f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    cursor.execute(
        f"WITH moved AS (DELETE FROM {DEFAULT_PARTITION} WHERE id >= %s AND id < %s RETURNING *)"  # noqa: S608
        f" INSERT INTO {name} SELECT * FROM moved",
        [begin, end],
    )
    cursor.execute(f"ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM ('{begin}') TO ('{end}')")
