"""Figures for the live page and API §3.7, read from what is counted in the scans' transactions.

How many rows are read depends on gates, groups and hours, never on how many scans or people there
are (`tests/sync_server/insight/test_growth.py`). Counts are confirmed entries. `currentLoad` is how
many passed a gate in the last five minutes (by the scans' own time) as a percentage of its capacity;
`estimatedWaitTime` what a newcomer then waits on average, in seconds (M/D/1: half of load/(1 - load)
services). `trend` compares the confirmed entries of the last five minutes with those of the five
before: `increasing` or `decreasing` beyond a tenth, else `stable`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from shared.merge import Verdict
from shared.model import Method
from shared.wire import format_time
from sync_server.insight import counters, disclosure, tallies
from sync_server.storage import headcounts, schema
from sync_server.storage.chunks import mappings
from sync_server.storage.history import event_of

WINDOW_MS = 5 * 60_000
LOAD_FOR_WAIT_MAX = 0.98
_TREND_TOLERANCE = 0.1


def overall(conn: Connection, now_ms: int) -> dict[str, Any]:
    """`/stats/overall`; cancelled participants are not in `totalParticipants`."""
    return _overall(conn, _recent(conn, now_ms), now_ms)


def gates(conn: Connection, now_ms: int) -> list[dict[str, Any]]:
    """`/stats/gates`, one item a gate, in the order of their ids."""
    return _gates(conn, _recent(conn, now_ms))


def methods(conn: Connection) -> list[dict[str, Any]]:
    """`/stats/methods`: confirmed passages, both ways, by how they were recognised."""
    sums = counters.load(conn, ["overall"])
    counts = {method: int(sums.get(("overall", f"method:{method}"), 0)) for method in Method}
    total = sum(counts.values())
    return [
        {"method": method.value, "count": count, "percent": _percent(count, total)}
        for method, count in counts.items()
    ]


def people_by(conn: Connection, kind: str, *, small_apart: bool) -> list[dict[str, Any]]:
    """`/stats/groups` and `/stats/permissions`: distinct people; `kind` is the name's member as well.

    Without `small_apart` those of fewer than five stand together as one, `"small": how many`, with
    the smallest of the others where the rest would tell them.
    """
    found = headcounts.load(conn, kind)
    sizes = {name: counts[0] for name, counts in found.items()}
    named, small = (list(sizes), []) if small_apart else disclosure.split(sizes)
    items = [{kind: name or None, "small": None, **_people(found[name])} for name in named]
    items.sort(key=lambda item: (-item["registered"], item[kind] or ""))
    if small:
        together = headcounts.added([found[name] for name in small])
        items.append({kind: None, "small": len(small), **_people(together)})
    return items


def figures(conn: Connection, now_ms: int) -> dict[str, Any]:
    """`overall` and `gates` at once, for the live page."""
    recent = _recent(conn, now_ms)
    return {
        "overall": _overall(conn, recent, now_ms),
        "gates": _gates(conn, recent),
        "event": _event(conn, now_ms),
    }


@dataclass(frozen=True, slots=True)
class _Flow:
    """At one gate: entries in the last window and in the one before, passages in the last."""

    entries: float = 0.0
    entries_before: float = 0.0
    passed: float = 0.0


def _recent(conn: Connection, now_ms: int) -> Mapping[str, _Flow]:
    """By gate. Of a minute that lies in a window in part, that part of its scans counts."""
    minute = tallies.MINUTE_MS
    sums: dict[tuple[str, str], float] = {}
    for slot, gate_id, name, value in tallies.minutes(
        conn, (now_ms - 2 * WINDOW_MS) // minute, now_ms // minute
    ):
        begins = slot * minute
        now = _overlap(begins, min(begins + minute, now_ms), now_ms - WINDOW_MS, now_ms)
        before = _overlap(begins, begins + minute, now_ms - 2 * WINDOW_MS, now_ms - WINDOW_MS)
        for what, share in ((name, now), (f"{name} before", before)):
            sums[gate_id, what] = sums.get((gate_id, what), 0.0) + share * value
    return {
        gate_id: _Flow(
            sums.get((gate_id, tallies.ENTRIES), 0.0),
            sums.get((gate_id, f"{tallies.ENTRIES} before"), 0.0),
            sums.get((gate_id, tallies.PASSED), 0.0),
        )
        for gate_id in {gate_id for gate_id, _ in sums}
    }


def _overlap(begins: int, ends: int, window_begins: int, window_ends: int) -> float:
    """The share of a span that lies in the window."""
    inside = min(ends, window_ends) - max(begins, window_begins)
    return max(0.0, inside / max(ends - begins, 1))


def _overall(conn: Connection, recent: Mapping[str, _Flow], now_ms: int) -> dict[str, Any]:
    registered, came, attended, inside = headcounts.everybody(conn)
    sums = counters.load(conn, ["overall"])
    return {
        "totalParticipants": registered,
        "attendedParticipants": attended,
        "attendanceRate": _percent(came, registered),
        "inside": inside,
        "trend": _trend(
            sum(flow.entries for flow in recent.values()),
            sum(flow.entries_before for flow in recent.values()),
        ),
        "conflicts": int(sums.get(("overall", "conflict"), 0)),
        "entriesLast5Minutes": round(sum(flow.entries for flow in recent.values())),
        "attendedCancelled": attended - came,
        "lastUpdated": format_time(now_ms),
    }


def _people(counts: headcounts.Counts) -> dict[str, Any]:
    registered, came, attended, inside = counts
    return {
        "registered": registered,
        "attended": attended,
        "attendanceRate": _percent(came, registered),
        "inside": inside,
    }


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def _event(conn: Connection, now_ms: int) -> dict[str, Any]:
    event = event_of(next(mappings(conn, select(schema.events))))
    return {
        "eventId": event.event_id,
        "name": event.name,
        "timeZone": event.time_zone,
        "status": event.status_at(now_ms).value,
    }


def _trend(now: float, before: float) -> str:
    if abs(now - before) <= _TREND_TOLERANCE * max(now, before):
        return "stable"
    return "increasing" if now > before else "decreasing"


def _gates(conn: Connection, recent: Mapping[str, _Flow]) -> list[dict[str, Any]]:
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
        load = recent.get(row.gate_id, _Flow()).passed / (
            WINDOW_MS / 60_000 * row.capacity_per_minute
        )
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
    query = select(func.max(scans.c.occurred_ms)).where(
        scans.c.gate_id == gate_id, scans.c.verdict == Verdict.CONFIRMED.value
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
