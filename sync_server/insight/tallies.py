"""Scans by time and gate, kept in the transaction of the scans: what curves and loads are read from.

| width | names | counts |
|---|---|---|
| `SLOT_MS` (5 min) | a method | confirmed entries by it: arrivals over time, per hour of any time zone |
| `MINUTE_MS` | `entries` | confirmed entries: the trend |
| | `passed` | admitted, both ways, whatever they count as: the load |

Each is a sum over scans, so that it depends on their set alone (P3). Zones whose offset is not a
whole hour, or that change it, are why the hours are added up from slots at reading.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select, text

from shared.merge import Verdict
from shared.model import Direction
from sync_server.insight import counters
from sync_server.storage.figure_tables import tallies
from sync_server.storage.schema import scans

SLOT_MS = 300_000
MINUTE_MS = 60_000
ENTRIES, PASSED = "entries", "passed"

Key = tuple[int, int, str, str]  # width, slot, gate, name
Sums = dict[Key, int]

_ADD = text(
    """
    INSERT INTO tallies (width_ms, slot, gate_id, name, value)
    VALUES (:width_ms, :slot, :gate_id, :name, :value)
    ON CONFLICT (width_ms, slot, gate_id, name) DO UPDATE SET value = tallies.value + excluded.value
    """
)


def add_scans(sums: Sums, counted: Iterable[tuple[Mapping[str, Any], str]], sign: int = 1) -> None:
    """Each scan (columns of schema.scans) as the verdict says."""
    for scan, verdict in counted:
        at_ms, gate_id = scan["occurred_ms"], scan["gate_id"]
        if scan["admitted"]:
            key = (MINUTE_MS, at_ms // MINUTE_MS, gate_id, PASSED)
            sums[key] = sums.get(key, 0) + sign
        if verdict == Verdict.CONFIRMED and scan["direction"] == Direction.ENTRY:
            for key in (
                (MINUTE_MS, at_ms // MINUTE_MS, gate_id, ENTRIES),
                (SLOT_MS, at_ms // SLOT_MS, gate_id, scan["method"]),
            ):
                sums[key] = sums.get(key, 0) + sign


def apply(conn: Connection, sums: Sums) -> None:
    moved = [
        {"width_ms": width, "slot": slot, "gate_id": gate_id, "name": name, "value": value}
        for (width, slot, gate_id, name), value in sums.items()
        if value
    ]
    if moved:
        conn.execute(_ADD, moved)


def all_slots(conn: Connection) -> Iterable[tuple[int, str, str, int]]:
    """(slot of five minutes, gate, method, confirmed entries), in order of time."""
    table = tallies
    rows = conn.execute(
        select(table.c.slot, table.c.gate_id, table.c.name, table.c.value)
        .where(table.c.width_ms == SLOT_MS, table.c.value != 0)
        .order_by(table.c.slot)
    )
    return (tuple(row) for row in rows)


def minutes(conn: Connection, first: int, last: int) -> Iterable[tuple[int, str, str, int]]:
    """(minute since 1970, gate, `entries` or `passed`, how many) of these minutes."""
    table = tallies
    rows = conn.execute(
        select(table.c.slot, table.c.gate_id, table.c.name, table.c.value).where(
            table.c.width_ms == MINUTE_MS, table.c.slot >= first, table.c.slot <= last
        )
    )
    return (tuple(row) for row in rows)


def adds_up(conn: Connection) -> bool:
    """A cheap look: as many entries in the slots as the counters know."""
    total = select(func.sum(tallies.c.value)).where(tallies.c.width_ms == SLOT_MS)
    counted = counters.load(conn, ["overall"]).get(("overall", "confirmed"), 0)
    return int(conn.execute(total).scalar() or 0) == int(counted)


def recount(conn: Connection) -> None:
    """From every scan, as it counts now."""
    conn.execute(delete(tallies))
    for width, name, condition in _MADE_OF:
        slot = scans.c.occurred_ms // width
        named = scans.c.method if name is None else func.max(name)
        groups = [slot, scans.c.gate_id, *([scans.c.method] if name is None else [])]
        made: Select[Any] = (
            select(slot, scans.c.gate_id, named, func.count()).where(condition).group_by(*groups)
        )
        apply(conn, {(width, at, gate, what): n for at, gate, what, n in conn.execute(made)})


_ENTRY = (scans.c.verdict == Verdict.CONFIRMED.value) & (scans.c.direction == Direction.ENTRY.value)
_MADE_OF = (
    (SLOT_MS, None, _ENTRY),
    (MINUTE_MS, ENTRIES, _ENTRY),
    (MINUTE_MS, PASSED, scans.c.admitted),
)


def stored(conn: Connection) -> Sums:
    rows = conn.execute(select(tallies))
    return {(row.width_ms, row.slot, row.gate_id, row.name): row.value for row in rows}
