"""SQLite as we use it: real BEGIN IMMEDIATE, durable commits, one schema version."""

import json
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from shared.errors import NewerDataError, UsageError
from sync_server.storage.schema import SCHEMA_VERSION, metadata

BUSY_TIMEOUT_MS = 5_000
CACHE_KIB = 32 * 1_024


def _to_json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON may hold and UTF-8 may not
        return json.dumps(value, separators=(",", ":"))


def _from_json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return json.loads(text)


def make_engine(url: str, *, writes: bool) -> Engine:
    """An engine whose transactions are `BEGIN IMMEDIATE` (writer) or read-only snapshots."""
    if make_url(url).get_backend_name() != "sqlite":
        raise UsageError(f"{url}: only sqlite:/// databases are supported by this version")
    engine = create_engine(
        url,
        poolclass=NullPool,
        json_serializer=_to_json,
        json_deserializer=_from_json,
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


def migrate(engine: Engine, shown: str) -> None:
    """Bring the schema to this version; refuse a newer one. `shown` names it in messages."""
    try:
        with engine.begin() as conn:
            version = int(conn.exec_driver_sql("PRAGMA user_version").scalar_one())
            if version > SCHEMA_VERSION:
                raise NewerDataError(
                    f"{shown} has schema {version} and this version of Gatesync knows "
                    f"{SCHEMA_VERSION}: install the newer version that wrote it"
                )
            if version == SCHEMA_VERSION:
                return
            if inspect(conn).get_table_names():
                raise UsageError(f"{shown} is a database of another program; name another folder")
            metadata.create_all(conn)
            conn.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except DatabaseError as error:
        raise UsageError(f"{shown} cannot be opened as a database: {error.orig}") from error
