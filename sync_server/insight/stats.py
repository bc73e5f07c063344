"""Figures for the live page and API §3.7, read from the counters: no walk over all scans.

Counts are confirmed entries. `currentLoad` is how many passed a gate in the last five minutes (by
the scans' own time) as a percentage of its capacity; `estimatedWaitTime` what a newcomer then waits
on average, in seconds (M/D/1: half of load/(1 - load) services). `trend` compares the confirmed
entries of the last five minutes with those of the five before: `increasing` or `decreasing` beyond
a tenth, else `stable`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, case, func, select

from shared.merge import Verdict
from shared.model import Direction
from shared.wire import format_time
from sync_server.insight import counters
from sync_server.storage import schema
from sync_server.storage.chunks import mappings
from sync_server.storage.history import event_of

WINDOW_MS = 5 * 60_000
RECENT_SCANS_MAX = 10_000  # arrivals looked at for what happened in the last ten minutes
LOAD_FOR_WAIT_MAX = 0.98
_TREND_TOLERANCE = 0.1


def overall(conn: Connection, now_ms: int) -> dict[str, Any]:
    """`/stats/overall`; cancelled participants are not in `totalParticipants`."""
    return _overall(conn, _total(conn), _recent(conn, now_ms), now_ms)


def gates(conn: Connection, now_ms: int) -> list[dict[str, Any]]:
    """`/stats/gates`, one item a gate, in the order of their ids."""
    return _gates(conn, _recent(conn, now_ms))


def hourly(conn: Connection) -> list[dict[str, Any]]:
    """`/stats/hourly`: hours that had a confirmed entry; `hour` is its start in the event's zone."""
    zone = ZoneInfo(str(conn.execute(select(schema.events.c.time_zone)).scalar_one()))
    table = schema.counters
    rows = conn.execute(select(table).where(table.c.scope.like("hour:%"), table.c.value != 0))
    hours: dict[int, dict[str, int]] = {}
    for row in rows:
        hours.setdefault(int(row.scope.removeprefix("hour:")), {})[row.name] = int(row.value)
    return [
        {
            "hour": _hour_text(hour, zone),
            "count": names.get("confirmed", 0),
            "methods": _named(names, "method:"),
            "gates": _named(names, "gate:"),
        }
        for hour, names in sorted(hours.items())
    ]


class Figures:
    """`overall` and `gates` at once, for the live page; counts participants only when they change."""

    def __init__(self) -> None:
        self._total: tuple[int, int] = (-1, 0)  # highest revision of participants, how many

    def read(self, conn: Connection, now_ms: int) -> dict[str, Any]:
        people = schema.participants
        revision = int(conn.execute(select(func.max(people.c.revision))).scalar() or 0)
        if revision != self._total[0]:
            self._total = (revision, _total(conn))
        recent = _recent(conn, now_ms)
        return {
            "overall": _overall(conn, self._total[1], recent, now_ms),
            "gates": _gates(conn, recent),
            "event": _event(conn, now_ms),
        }


# gate → (entries in the last window, in the window before, passages in the last window)
_Recent = Mapping[str, tuple[int, int, int]]


def _total(conn: Connection) -> int:
    people = schema.participants
    query = select(func.count()).select_from(people).where(people.c.status != "cancelled")
    return int(conn.execute(query).scalar_one())


def _recent(conn: Connection, now_ms: int) -> _Recent:
    scans = schema.scans
    last = (
        select(
            scans.c.gate_id,
            scans.c.occurred_ms,
            scans.c.admitted,
            scans.c.verdict,
            scans.c.direction,
        )
        .order_by(scans.c.row_id.desc())
        .limit(RECENT_SCANS_MAX)
        .subquery()
    )
    now = last.c.occurred_ms > now_ms - WINDOW_MS
    entry = and_(
        last.c.verdict == Verdict.CONFIRMED.value, last.c.direction == Direction.ENTRY.value
    )
    rows = conn.execute(
        select(
            last.c.gate_id,
            func.sum(case((and_(now, entry), 1), else_=0)),
            func.sum(case((and_(~now, entry), 1), else_=0)),
            func.sum(case((and_(now, last.c.admitted), 1), else_=0)),
        )
        .where(last.c.occurred_ms > now_ms - 2 * WINDOW_MS, last.c.occurred_ms <= now_ms)
        .group_by(last.c.gate_id)
    )
    return {row[0]: (int(row[1]), int(row[2]), int(row[3])) for row in rows}


def _overall(conn: Connection, total: int, recent: _Recent, now_ms: int) -> dict[str, Any]:
    sums = counters.load(conn, ["overall"])
    attended = int(sums.get(("overall", "attended"), 0))
    return {
        "totalParticipants": total,
        "attendedParticipants": attended,
        "attendanceRate": round(100 * attended / total, 2) if total else 0.0,
        "inside": int(sums.get(("overall", "inside"), 0)),
        "trend": _trend(
            sum(counts[0] for counts in recent.values()),
            sum(counts[1] for counts in recent.values()),
        ),
        "conflicts": int(sums.get(("overall", "conflict"), 0)),
        "lastUpdated": format_time(now_ms),
    }


def _event(conn: Connection, now_ms: int) -> dict[str, Any]:
    event = event_of(next(mappings(conn, select(schema.events))))
    return {
        "eventId": event.event_id,
        "name": event.name,
        "timeZone": event.time_zone,
        "status": event.status_at(now_ms).value,
    }


def _trend(now: int, before: int) -> str:
    if abs(now - before) <= _TREND_TOLERANCE * max(now, before):
        return "stable"
    return "increasing" if now > before else "decreasing"


def _gates(conn: Connection, recent: _Recent) -> list[dict[str, Any]]:
    table = schema.gates
    rows = conn.execute(
        select(table.c.gate_id, table.c.name, table.c.capacity_per_minute, table.c.active).order_by(
            table.c.gate_id
        )
    ).all()
    sums = counters.load(conn, [f"gate:{row.gate_id}" for row in rows])
    items = []
    for row in rows:
        names = {name: value for (at, name), value in sums.items() if at == f"gate:{row.gate_id}"}
        scans = names.get("scans", 0)
        passed = recent.get(row.gate_id, (0, 0, 0))[2]
        load = passed / (WINDOW_MS / 60_000 * row.capacity_per_minute)
        last_ms = _last_confirmed_ms(conn, row.gate_id) if names.get("confirmed") else None
        items.append(
            {
                "gateId": row.gate_id,
                "name": row.name,
                "active": row.active,
                "totalProcessed": int(names.get("confirmed", 0) + names.get("exits", 0)),
                "avgProcessingTime": round(names.get("processing_ms_sum", 0) / scans, 2)
                if scans
                else 0.0,
                "lastAttendance": format_time(last_ms) if last_ms is not None else None,
                "methodBreakdown": _named(names, "method:"),
                "currentLoad": round(100 * load, 1),
                "estimatedWaitTime": _wait_s(load, row.capacity_per_minute),
                "refused": int(names.get("refused", 0)),
                "conflicts": int(names.get("conflict", 0)),
            }
        )
    return items


def _last_confirmed_ms(conn: Connection, gate_id: str) -> int | None:
    scans = schema.scans
    query = (
        select(scans.c.occurred_ms)
        .where(scans.c.gate_id == gate_id, scans.c.verdict == Verdict.CONFIRMED.value)
        .order_by(scans.c.row_id.desc())
        .limit(1)
    )
    return conn.execute(query).scalar()


def _wait_s(load: float, capacity_per_minute: int) -> float:
    busy = min(load, LOAD_FOR_WAIT_MAX)
    return round(60 / capacity_per_minute * busy / (2 * (1 - busy)), 1)


def _named(names: Mapping[str, float], prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): int(value)
        for name, value in sorted(names.items())
        if name.startswith(prefix) and value
    }


def _hour_text(hour: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(hour * 3_600, UTC).astimezone(zone).isoformat()
