"""SQLite as we use it: one file, real BEGIN IMMEDIATE, durable commits."""

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from sync_server.storage.json_text import from_json, to_json

BUSY_TIMEOUT_MS = 5_000
CACHE_KIB = 32 * 1_024


def make_engine(url: URL, *, writes: bool) -> Engine:
    """An engine whose transactions are `BEGIN IMMEDIATE` (writer) or read-only snapshots."""
    engine = create_engine(
        url,
        poolclass=NullPool,
        json_serializer=to_json,
        json_deserializer=from_json,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1_000},
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        # pysqlite would open transactions by itself, and not with IMMEDIATE: we do it below.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        if writes:
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA synchronous = FULL")
        else:
            cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
