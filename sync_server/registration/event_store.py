"""The one event in the database. Every function is one job inside a transaction."""

import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from shared.credentials import key_id
from shared.errors import UsageError
from shared.model import Event, Gate
from sync_server.attendance import merge_store
from sync_server.identity.keys import ServerKeys, to_base64url
from sync_server.registration.event_file import EventFile, settings_json
from sync_server.storage import revisions, schema
from sync_server.storage.chunks import mappings
from sync_server.storage.history import event_of, record_change


def event_row(conn: Connection) -> Mapping[str, Any] | None:
    return next(mappings(conn, select(schema.events)), None)


def load_event(conn: Connection) -> Event:
    """UsageError where `init` has not run."""
    row = event_row(conn)
    if row is None:
        raise UsageError("this data folder has no event yet: run `sync-server init` first")
    return event_of(row)


def create_event(conn: Connection, file: EventFile, keys: ServerKeys) -> bool:
    """Begin the database with this event; False where it is there already, unchanged.

    UsageError where the folder holds another event.
    """
    if check_same_event(conn, file.event.event_id):
        return False
    if conn.execute(select(schema.state.c.id)).first() is None:
        revisions.initialise(conn, secrets.token_hex(8))
    revisions.upsert(conn, schema.events, row_of_event(file.event, keys))
    revisions.upsert_many(conn, schema.gates, [row_of_gate(gate) for gate in file.gates])
    return True


def check_same_event(conn: Connection, event_id: str) -> bool:
    """False in an empty database; UsageError where it holds another event."""
    held = event_row(conn)
    if held is not None and held["event_id"] != event_id:
        raise UsageError(
            f"this data folder is of the event {held['event_id']!r}, not {event_id!r}; "
            "one server serves one event: name another folder"
        )
    return held is not None


def row_of_event(event: Event, keys: ServerKeys) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "tag": event.tag,
        "name": event.name,
        "start_ms": event.start_ms,
        "end_ms": event.end_ms,
        "time_zone": event.time_zone,
        "venue": event.venue,
        "status": event.status.value,
        "settings": settings_json(event.settings),
        "ticket_keys": {key_id(keys.public): to_base64url(keys.public)},
    }


def row_of_gate(gate: Gate) -> dict[str, Any]:
    return {
        "gate_id": gate.gate_id,
        "name": gate.name,
        "direction": gate.direction.value,
        "zone": gate.zone,
        "required_permission": gate.required_permission,
        "capacity_per_minute": gate.capacity_per_minute,
        "active": gate.active,
        "location": gate.location,
        "beacon": gate.beacon,
    }


def change_event(conn: Connection, changes: Mapping[str, Any], now_ms: int) -> Mapping[str, Any]:
    """Set columns of the event, as a dated change; everybody who was scanned is judged again."""
    before = event_row(conn)
    if before is None:
        raise UsageError("this data folder has no event yet: run `sync-server init` first")
    after = {**before, **changes}
    if revisions.upsert(conn, schema.events, after):
        record_change(conn, "event", before["event_id"], before, after, now_ms)
        merge_store.refold_all(conn, now_ms)
    return after
