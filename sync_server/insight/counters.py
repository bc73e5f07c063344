"""Counters: what the scans add up to, kept in the transaction of the scans (DESIGN §6 Insight).

| scope | names |
|---|---|
| `overall` | those of a gate, and `attended`, `inside` (participants) |
| `gate:<id>` | `scans`, `processing_ms_sum` (of all scans); `admitted`; `confirmed` (entries), `exits` (confirmed ones), `duplicate`, `conflict`, `refused`, `voided`; `method:<method>` (confirmed, both ways) |
| `arrivals` | participants whose first entry lies in that slot of five minutes since 1970 |
| `hour:<hours since 1970>` | `confirmed`, `method:<method>`, `gate:<id>` (confirmed entries); for programs of the version before: ours reads `tallies` |

Each is a sum over scans of `of_scan`, so that it depends on their set alone (P3): times are cut to
1/1,024 ms, whose sums are exact.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, select, text

from shared.merge import Verdict
from shared.model import Direction
from sync_server.storage.chunks import select_in
from sync_server.storage.schema import counters

HOUR_MS = 3_600_000
ARRIVAL_SLOT_MS = 300_000
_FRACTIONS_PER_MS = 1_024

# SQLite and PostgreSQL write this alike.
_ADD = text(
    """
    INSERT INTO counters (scope, name, value) VALUES (:scope, :name, :value)
    ON CONFLICT (scope, name) DO UPDATE SET value = counters.value + excluded.value
    """
)
_LOAD = select(counters)

Name = tuple[str, str]  # scope, name
Sums = dict[Name, float]


def of_scan(scan: Mapping[str, Any], verdict: str) -> list[tuple[Name, float]]:
    """What a scan (columns of schema.scans) adds when it counts as `verdict`."""
    entry = scan["direction"] == Direction.ENTRY
    names = [("scans", 1.0)]
    if spent := spent_ms(scan):
        names.append(("processing_ms_sum", spent))
    if scan["admitted"]:
        names.append(("admitted", 1.0))
    if verdict != Verdict.CONFIRMED:
        names.append((verdict, 1.0))
    elif not entry:
        names += [("exits", 1.0), (f"method:{scan['method']}", 1.0)]
    else:
        names += [("confirmed", 1.0), (f"method:{scan['method']}", 1.0)]
    gate = f"gate:{scan['gate_id']}"
    added = [((scope, name), value) for scope in ("overall", gate) for name, value in names]
    if verdict == Verdict.CONFIRMED and entry:
        hour = f"hour:{scan['occurred_ms'] // HOUR_MS}"
        added += [((hour, name), 1.0) for name in ("confirmed", f"method:{scan['method']}", gate)]
    return added


def of_presence(row: Mapping[str, Any] | None) -> list[tuple[Name, float]]:
    """What a participant's presence (columns of schema.presences) adds."""
    if row is None:
        return []
    added = [(("overall", name), 1.0) for name in ("attended", "inside") if row[name]]
    if row["attended"] and row["first_entry_ms"] is not None:
        added.append((("arrivals", str(row["first_entry_ms"] // ARRIVAL_SLOT_MS)), 1.0))
    return added


def add(sums: Sums, parts: Iterable[tuple[Name, float]], sign: int = 1) -> None:
    for name, value in parts:
        sums[name] = sums.get(name, 0.0) + sign * value


def add_scans(sums: Sums, counted: Iterable[tuple[Mapping[str, Any], str]], sign: int = 1) -> None:
    """As `add` of `of_scan` for each scan and verdict: alike ones are added up first."""
    alike: dict[tuple[Any, ...], int] = {}
    spent: dict[str, float] = {}
    for scan, verdict in counted:
        entry = scan["direction"] == Direction.ENTRY
        hour = scan["occurred_ms"] // HOUR_MS if entry else None
        kind = (scan["gate_id"], scan["method"], scan["direction"], scan["admitted"], hour, verdict)
        alike[kind] = alike.get(kind, 0) + 1
        gate_id = scan["gate_id"]
        spent[gate_id] = spent.get(gate_id, 0.0) + spent_ms(scan)
    for (gate_id, method, direction, admitted, hour, verdict), count in alike.items():
        one = {
            "gate_id": gate_id,
            "method": method,
            "direction": direction,
            "admitted": admitted,
            "occurred_ms": (hour or 0) * HOUR_MS,
            "processing_ms": 0.0,
        }
        add(sums, of_scan(one, verdict), sign * count)
    for gate_id, total in spent.items():
        if total:
            for scope in ("overall", f"gate:{gate_id}"):
                add(sums, [((scope, "processing_ms_sum"), total)], sign)


def spent_ms(scan: Mapping[str, Any]) -> float:
    """Processing time cut to a fraction whose sums are exact."""
    fractions: int = round(scan["processing_ms"] * _FRACTIONS_PER_MS)
    return fractions / _FRACTIONS_PER_MS


def apply(conn: Connection, sums: Sums) -> bool:
    """Add the sums to the stored counters; False if none of them moves."""
    moved = {name: value for name, value in sums.items() if value}
    if not moved:
        return False
    conn.execute(
        _ADD,
        [{"scope": scope, "name": name, "value": value} for (scope, name), value in moved.items()],
    )
    return True


def load(conn: Connection, scopes: Iterable[str]) -> dict[Name, float]:
    """The stored counters of these scopes; one that is missing is zero."""
    rows = select_in(conn, _LOAD, counters.c.scope, set(scopes))
    return {(row.scope, row.name): row.value for row in rows}
