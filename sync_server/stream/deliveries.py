"""What handlers took, could not take yet, or gave up on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from shared.wire import format_time
from sync_server.storage import revisions, schema
from sync_server.storage.message_tables import deliveries, stream_cursors

ATTEMPTS_MAX = 3
PAUSE_MS = 2_000  # before the second attempt; then five times as long
PAUSE_FACTOR = 5
BATCH = 100
DONE_KEPT, PARKED_KEPT = 100, 50  # of each handler (DESIGN §6)
ERROR_CHARS_MAX = 500


class Outcome(NamedTuple):
    """After so many attempts: taken, where `error` is None."""

    envelope: dict[str, Any]
    attempts: int
    error: str | None


class Waiting(NamedTuple):
    delivery_id: int
    envelope: dict[str, Any]
    attempts: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of the outbox after `after` that a handler wants; all to `through` were looked at."""

    generation: str
    after: int
    through: int
    rows: Sequence[Any]


def begin(handler: str, conn: Connection) -> None:
    """A handler that is new starts with what happens from now on."""
    held = select(stream_cursors.c.through).where(stream_cursors.c.handler == handler)
    if conn.execute(held).scalar() is None:
        head = int(conn.execute(select(func.max(schema.outbox.c.outbox_id))).scalar() or 0)
        conn.execute(insert(stream_cursors).values(handler=handler, through=head))


def unread(handler: str, types: frozenset[str], conn: Connection) -> Batch:
    box = schema.outbox
    generation, _ = revisions.head(conn)
    after = _cursor(conn, handler)
    head = int(conn.execute(select(func.max(box.c.outbox_id))).scalar() or 0)
    query = select(box).where(box.c.outbox_id > after, box.c.outbox_id <= head)
    if types:
        query = query.where(box.c.type.in_(types))
    rows = conn.execute(query.order_by(box.c.outbox_id).limit(BATCH)).all()
    through = int(rows[-1].outbox_id) if len(rows) == BATCH else head
    return Batch(generation, after, through, rows)


def due(handler: str, conn: Connection, now_ms: int) -> list[Waiting]:
    rows = conn.execute(
        select(deliveries.c.delivery_id, deliveries.c.envelope, deliveries.c.attempts)
        .where(
            deliveries.c.handler == handler,
            deliveries.c.state == "waiting",
            deliveries.c.next_ms <= now_ms,
        )
        .order_by(deliveries.c.next_ms)
        .limit(BATCH)
    )
    return [Waiting(*row) for row in rows]


def advance(
    handler: str, through: int, outcomes: Iterable[Outcome], conn: Connection, now_ms: int
) -> None:
    """Remember how far the handler has read, and what became of each message."""
    conn.execute(
        update(stream_cursors).where(stream_cursors.c.handler == handler).values(through=through)
    )
    rows = [{"handler": handler, **_row(outcome, now_ms)} for outcome in outcomes]
    done = [row for row in rows if row["state"] == "done"]
    kept = [row for row in rows if row["state"] != "done"] + done[-DONE_KEPT:]
    if kept:
        conn.execute(insert(deliveries), kept)
        _trim(conn, handler)


def settle(waiting: Waiting, outcome: Outcome, conn: Connection, now_ms: int) -> None:
    """What became of a message that was tried again."""
    row = conn.execute(
        update(deliveries)
        .where(deliveries.c.delivery_id == waiting.delivery_id)
        .values(_row(outcome, now_ms))
        .returning(deliveries.c.handler)
    ).first()
    if row is not None:
        _trim(conn, row.handler)


def try_again(conn: Connection, delivery_id: int, now_ms: int) -> dict[str, Any] | None:
    """Give a parked message its attempts anew; None if there is no such one."""
    row = conn.execute(
        update(deliveries)
        .where(deliveries.c.delivery_id == delivery_id, deliveries.c.state == "parked")
        .values(state="waiting", attempts=0, next_ms=now_ms, at_ms=now_ms)
        .returning(deliveries)
    ).first()
    return _item(row) if row is not None else None


def try_all_again(conn: Connection, handler: str | None, now_ms: int) -> int:
    """All parked messages, or those of one handler, their attempts anew; how many."""
    parked = deliveries.c.state == "parked"
    if handler is not None:
        parked &= deliveries.c.handler == handler
    again = {"state": "waiting", "attempts": 0, "next_ms": now_ms, "at_ms": now_ms}
    return conn.execute(update(deliveries).where(parked).values(again)).rowcount


def overview(conn: Connection, names: Iterable[str]) -> list[dict[str, Any]]:
    """Each handler, how far behind it is, and what is kept of it."""
    head = int(conn.execute(select(func.max(schema.outbox.c.outbox_id))).scalar() or 0)
    kept = select(deliveries.c.handler, deliveries.c.state, func.count())
    grouped = conn.execute(kept.group_by(deliveries.c.handler, deliveries.c.state))
    counts = {(row[0], row[1]): int(row[2]) for row in grouped}
    return [
        {
            "name": name,
            "behind": max(0, head - _cursor(conn, name)),
            **{state: counts.get((name, state), 0) for state in ("waiting", "parked", "done")},
        }
        for name in names
    ]


def page(
    conn: Connection, *, state: str | None, handler: str | None, before: int | None, limit: int
) -> dict[str, Any]:
    """`{"items","cursor"}`, newest first."""
    query = select(deliveries).order_by(deliveries.c.delivery_id.desc()).limit(limit + 1)
    for column, value in ((deliveries.c.state, state), (deliveries.c.handler, handler)):
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(deliveries.c.delivery_id < before)
    rows = conn.execute(query).all()
    items = [_item(row) for row in rows[:limit]]
    return {"items": items, "cursor": items[-1]["id"] if len(rows) > limit else None}


def _cursor(conn: Connection, handler: str) -> int:
    held = conn.execute(
        select(stream_cursors.c.through).where(stream_cursors.c.handler == handler)
    ).scalar()
    return int(held or 0)


def _row(outcome: Outcome, now_ms: int) -> dict[str, Any]:
    if outcome.error is None:
        state, pause_ms = "done", 0
    elif outcome.attempts >= ATTEMPTS_MAX:
        state, pause_ms = "parked", 0
    else:
        state, pause_ms = "waiting", PAUSE_MS * PAUSE_FACTOR ** (outcome.attempts - 1)
    return {
        "envelope": outcome.envelope,
        "state": state,
        "attempts": outcome.attempts,
        "next_ms": now_ms + pause_ms,
        "at_ms": now_ms,
        "error": outcome.error[:ERROR_CHARS_MAX] if outcome.error else None,
    }


def _trim(conn: Connection, handler: str) -> None:
    for state, kept in (("done", DONE_KEPT), ("parked", PARKED_KEPT)):
        of_state = (deliveries.c.handler == handler) & (deliveries.c.state == state)
        oldest_kept = conn.execute(
            select(deliveries.c.delivery_id)
            .where(of_state)
            .order_by(deliveries.c.delivery_id.desc())
            .offset(kept - 1)
            .limit(1)
        ).scalar()
        if oldest_kept is not None:
            conn.execute(delete(deliveries).where(of_state, deliveries.c.delivery_id < oldest_kept))


def _item(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.delivery_id),
        "handler": row.handler,
        "state": row.state,
        "attempts": row.attempts,
        "at": format_time(row.at_ms),
        "nextAttemptAt": format_time(row.next_ms) if row.state == "waiting" else None,
        "error": row.error,
        "envelope": row.envelope,
    }
