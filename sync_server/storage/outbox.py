"""The outbox: every change writes a row here in its own transaction (DESIGN §6 Stream)."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, delete, func, select

from sync_server.storage.chunks import insert_rows
from sync_server.storage.database import announce
from sync_server.storage.schema import outbox

ROWS_MAX = 100_000  # the oldest go first; nothing that counts lives only here
ROWS_PER_TRIM = 1_000

# Two questions in one: asked for both ends at once, SQLite would walk the whole table.
_ENDS = select(
    select(func.min(outbox.c.outbox_id)).scalar_subquery(),
    select(func.max(outbox.c.outbox_id)).scalar_subquery(),
)


def emit(conn: Connection, messages: Iterable[tuple[str, Mapping[str, Any]]], now_ms: int) -> None:
    """Add (type, data) messages, in order. Data holds nothing personal beyond a masked name."""
    rows = [{"type": kind, "at_ms": now_ms, "data": dict(data)} for kind, data in messages]
    if not rows:
        return
    insert_rows(conn, outbox, rows)
    announce(conn)
    low, high = conn.execute(_ENDS).one()
    if high - low >= ROWS_MAX + ROWS_PER_TRIM:
        conn.execute(delete(outbox).where(outbox.c.outbox_id <= high - ROWS_MAX))
