"""Alerts kept: raised once, acknowledged by a person, cleared when over (API §3.7)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from shared.merge import Verdict
from shared.model import ADMITTING
from shared.wire import format_time
from sync_server.insight import stats
from sync_server.insight.alert_rules import Alert, AlertType, Key, Picture
from sync_server.storage import outbox, schema
from sync_server.storage.chunks import mappings
from sync_server.storage.history import event_of
from sync_server.storage.message_tables import alerts, deliveries
from sync_server.stream import tail

RAISED, CLEARED, ACKNOWLEDGED = "alert.raised", "alert.cleared", "alert.acknowledged"
KEPT_MAX = 1_000  # cleared alerts that are kept; the oldest go first


def look(conn: Connection, now_ms: int) -> Picture:
    """All that the rules look at; what waited before is for the caller to say."""
    event = event_of(next(mappings(conn, select(schema.events))))
    said = schema.device_status
    seen = {row.device_id: row.last_seen_ms for row in conn.execute(select(said))}
    parked = select(func.count()).select_from(deliveries).where(deliveries.c.state == "parked")
    conflicts = (
        select(func.count())
        .select_from(schema.scans)
        .where(schema.scans.c.verdict == Verdict.CONFLICT.value)
    )
    return Picture(
        now_ms=now_ms,
        admits=event.status in ADMITTING and now_ms <= event.closes_ms,
        start_ms=event.start_ms,
        end_ms=event.end_ms,
        overall=stats.overall(conn, now_ms),
        gates=[gate for gate in stats.gates(conn, now_ms) if gate["active"]],
        devices=tail.all_devices(conn, now_ms),
        last_seen_ms=seen,
        waiting_before={},
        open_conflicts=int(conn.execute(conflicts).scalar_one()),
        parked=int(conn.execute(parked).scalar_one()),
        held=_held(conn).keys(),
    )


def differs(conn: Connection, found: Mapping[Key, Alert]) -> bool:
    """Whether `settle` would raise or clear anything."""
    return set(_held(conn)) != set(found)


def settle(conn: Connection, found: Mapping[Key, Alert], now_ms: int) -> list[dict[str, Any]]:
    """Raise what is new, clear what is over; what was raised, for whoever must be told.

    An alert that goes on keeps its id, and the data with which it was raised.
    """
    held = _held(conn)
    over = [held[key] for key in held if key not in found]
    if over:
        conn.execute(update(alerts).where(alerts.c.alert_id.in_(over)).values(cleared_ms=now_ms))
    fresh = []
    for key, alert in found.items():
        if key not in held:
            row = {
                "type": key.type.value,
                "subject": key.subject,
                "raised_ms": now_ms,
                "data": dict(alert.data),
                "message_en": alert.words.en,
                "message_ko": alert.words.ko,
            }
            made = insert(alerts).values(row).returning(alerts.c.alert_id)
            fresh.append(int(conn.execute(made).scalar_one()))
    messages = [(CLEARED, item) for item in _items(conn, over)]
    raised = _items(conn, fresh)
    outbox.emit(conn, [*messages, *((RAISED, item) for item in raised)], now_ms)
    _forget_old(conn)
    return raised


def acknowledge(conn: Connection, alert_id: int, who: str, now_ms: int) -> dict[str, Any] | None:
    """The alert, now known to a person; the first to say so stays named."""
    unsaid = (alerts.c.alert_id == alert_id) & alerts.c.acknowledged_by.is_(None)
    first = update(alerts).where(unsaid).values(acknowledged_by=who, acknowledged_ms=now_ms)
    said = conn.execute(first).rowcount > 0
    items = _items(conn, [alert_id])
    if said:  # the other pages hear of it
        outbox.emit(conn, [(ACKNOWLEDGED, item) for item in items], now_ms)
    return items[0] if items else None


def page(
    conn: Connection, *, standing_only: bool, before: int | None, limit: int
) -> dict[str, Any]:
    """`{"items","cursor"}`, newest first."""
    query = select(alerts).order_by(alerts.c.alert_id.desc()).limit(limit + 1)
    if standing_only:
        query = query.where(alerts.c.cleared_ms.is_(None))
    if before is not None:
        query = query.where(alerts.c.alert_id < before)
    rows = conn.execute(query).all()
    more = len(rows) > limit
    items = [_item(row) for row in rows[:limit]]
    return {"items": items, "cursor": str(items[-1]["id"]) if more else None}


def _held(conn: Connection) -> dict[Key, int]:
    rows = conn.execute(
        select(alerts.c.alert_id, alerts.c.type, alerts.c.subject).where(
            alerts.c.cleared_ms.is_(None)
        )
    )
    return {Key(AlertType(row.type), row.subject): row.alert_id for row in rows}


def _items(conn: Connection, ids: list[int]) -> list[dict[str, Any]]:
    rows = conn.execute(
        select(alerts).where(alerts.c.alert_id.in_(ids)).order_by(alerts.c.alert_id)
    )
    return [_item(row) for row in rows]


def _item(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.alert_id),
        "type": row.type,
        "subject": row.subject,
        "raisedAt": format_time(row.raised_ms),
        "clearedAt": format_time(row.cleared_ms) if row.cleared_ms is not None else None,
        "acknowledgedBy": row.acknowledged_by,
        "data": row.data,
        "message": {"en": row.message_en, "ko": row.message_ko},
    }


def _forget_old(conn: Connection) -> None:
    newest = conn.execute(select(func.max(alerts.c.alert_id))).scalar() or 0
    conn.execute(
        alerts.delete().where(
            alerts.c.cleared_ms.is_not(None), alerts.c.alert_id <= newest - KEPT_MAX
        )
    )
