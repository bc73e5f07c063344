"""PostgreSQL as we use it: psycopg 3, one snapshot a read, bounded waits."""

from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL
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
