"""PostgreSQL as we use it: psycopg 3, one writer at a time, one snapshot a read, bounded waits."""

from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from sync_server.storage.json_text import from_json, to_json

CONNECT_TIMEOUT_S = 5
# A peer that vanished without a word is noticed after about 10 + 3 x 5 seconds.
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVES = 10, 5, 3
SENT_UNANSWERED_MS = 20_000
LOCK_TIMEOUT_MS = 10_000
STATEMENT_TIMEOUT_MS = 600_000  # a restore's COPY, verify over a million scans

_SESSION = {
    "lock_timeout": LOCK_TIMEOUT_MS,
    "statement_timeout": STATEMENT_TIMEOUT_MS,
    "idle_in_transaction_session_timeout": STATEMENT_TIMEOUT_MS,
    "synchronous_commit": "on",  # acknowledged is durable, whatever the database's default (P2)
    "timezone": "UTC",
}


def make_engine(url: URL, *, writes: bool) -> Engine:
    """Writes are READ COMMITTED behind one lock; reads are read-only snapshots of the whole."""
    connect_args: dict[str, Any] = {
        "application_name": "gatesync",
        "connect_timeout": CONNECT_TIMEOUT_S,
        "keepalives_idle": KEEPALIVE_IDLE_S,
        "keepalives_interval": KEEPALIVE_INTERVAL_S,
        "keepalives_count": KEEPALIVES,
        "tcp_user_timeout": SENT_UNANSWERED_MS,
        "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
    }
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        poolclass=NullPool,
        json_serializer=to_json,
        json_deserializer=from_json,
        connect_args=connect_args,
    )
    if writes:
        return engine.execution_options(isolation_level="READ COMMITTED")
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


# Revisions are given in commit order, since a writer waits here for those before it: the row of
# `state` is locked until the commit, by all connections and processes alike.
_BEGIN_WRITE = (
    "SELECT pg_current_xact_id()::text, (SELECT revision FROM state WHERE id = 1 FOR UPDATE)"
)


def begin_write(conn: Connection) -> str:
    """Wait for the writers before us; returns the transaction's id."""
    return str(conn.exec_driver_sql(_BEGIN_WRITE).one()[0])


def has_committed(conn: Connection, transaction: str) -> bool:
    """What became of a transaction whose commit was not answered; ask after `begin_write`."""
    status = conn.exec_driver_sql("SELECT pg_xact_status(%s::xid8)", (transaction,)).scalar_one()
    return bool(status == "committed")


# Nothing was committed, and the same again may succeed: serialization, deadlock, a lock not had.
_PASSING = frozenset({"40001", "40P01", "55P03"})
# The server went away, is starting, or takes no more connections now.
_LOST_CLASSES = ("08", "57P", "53300")


def is_passing(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and _state(error) in _PASSING


def is_lost(error: BaseException) -> bool:
    """The connection is gone, or could not be made."""
    if not isinstance(error, DBAPIError):
        return False
    state = _state(error)
    return error.connection_invalidated or (
        isinstance(error.orig, psycopg.OperationalError)
        and (state is None or state.startswith(_LOST_CLASSES))
    )


def _state(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)
