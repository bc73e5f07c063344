"""Gates of the event: list, create, change. Every function is one job inside a transaction."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from shared.errors import UsageError
from shared.model import Gate
from sync_server.attendance import merge_store
from sync_server.registration.event_store import row_of_gate
from sync_server.storage import revisions, schema
from sync_server.storage.chunks import mappings
from sync_server.storage.history import record_change

Row = Mapping[str, Any]


def list_gates(conn: Connection) -> list[Row]:
    return list(mappings(conn, select(schema.gates).order_by(schema.gates.c.gate_id)))


def find_gate(conn: Connection, gate_id: str) -> Row | None:
    statement = select(schema.gates).where(schema.gates.c.gate_id == gate_id)
    return next(mappings(conn, statement), None)


def create_gate(conn: Connection, gate: Gate, now_ms: int) -> Row:
    """UsageError where a gate of this id is there. Scans that named it before are judged again."""
    if find_gate(conn, gate.gate_id) is not None:
        raise UsageError(f"there is a gate {gate.gate_id!r} already")
    row = row_of_gate(gate)
    revisions.upsert(conn, schema.gates, row)
    merge_store.refold_gate(conn, gate.gate_id, now_ms)
    return row


def change_gate(conn: Connection, gate_id: str, changes: Row, now_ms: int) -> Row | None:
    """Set columns of a gate, as a dated change; None where there is no such gate."""
    before = find_gate(conn, gate_id)
    if before is None:
        return None
    after = {**before, **changes}
    if revisions.upsert(conn, schema.gates, after):
        record_change(conn, "gate", gate_id, before, after, now_ms)
        merge_store.refold_gate(conn, gate_id, now_ms)
    return after


def gate_json(row: Row) -> dict[str, Any]:
    """As API §2 writes a gate."""
    return {
        "id": row["gate_id"],
        "name": row["name"],
        "direction": row["direction"],
        "zone": row["zone"],
        "requiredPermission": row["required_permission"],
        "capacityPerMinute": row["capacity_per_minute"],
        "active": row["active"],
        "location": row["location"],
        "beacon": row["beacon"],
    }
