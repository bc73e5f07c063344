"""A small server database and the journal entries that gates send to it."""

from typing import Any

from sqlalchemy import Connection, insert, select

from shared.wire import UploadRequest, checksum, format_time
from sync_server.storage import revisions, schema
from sync_server.storage.database import Database
from sync_server.sync.ingest import Ingested, ingest

GENERATION = "00112233445566aa"
START_MS = 1_760_000_000_000
MINUTE_MS = 60_000
EPOCH = "a1b2c3d4e5f60718"
NOW_MS = START_MS + 3_600_000
GATES = ("north", "south", "vip")
DEVICES = ("dev-north", "dev-south")


def event_row(**changes: Any) -> dict[str, Any]:
    return {
        "event_id": "demo",
        "tag": "DEMO",
        "name": "Demo",
        "start_ms": START_MS,
        "end_ms": START_MS + 36_000_000,
        "time_zone": "Asia/Seoul",
        "venue": "Hall",
        "status": "open",
        "settings": {},
        "ticket_keys": {},
    } | changes


def gate_row(gate_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "gate_id": gate_id,
        "name": gate_id,
        "direction": "both",
        "zone": None,
        "required_permission": None,
        "capacity_per_minute": 30,
        "active": True,
        "location": None,
        "beacon": None,
    } | changes


def participant_row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "participant_id": f"P{number:06}",
        "name": "홍길동",
        "email": f"p{number}@example.org",
        "phone": "+821012345678",
        "birth_date": None,
        "email_key": f"{number:032x}",
        "masked_name": "홍*동",
        "organization": None,
        "region": "KR",
        "group": None,
        "language": None,
        "permissions": ["attendance"],
        "status": "registered",
        "import_id": None,
        "find": "n0000",  # else a server that starts makes the marks meanwhile
        "created_ms": START_MS,
        "updated_ms": START_MS,
    } | changes


def digest_of(number: int) -> str:
    return f"{number:032x}"


def credential_row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "credential_id": f"C{number:06}",
        "participant_id": f"P{number:06}",
        "kind": "ticket",
        "digest": digest_of(number),
        "code": "SECRETCODE",
        "status": "active",
        "valid_from_ms": None,
        "valid_until_ms": None,
        "issued_ms": START_MS,
        "signed_payload": None,
        "shared_digest": None,
        "mark": None,
    } | changes


def device_row(device_id: str, gate_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "device_id": device_id,
        "name": device_id,
        "gate_id": gate_id,
        "public_key": None,
        "state": "active",
        "epoch": None,
        "contiguous_through": 0,
        "enrolled_ms": START_MS,
        "quarantined": False,
    } | changes


def populate(conn: Connection, people: int = 20, settings: dict[str, Any] | None = None) -> None:
    revisions.initialise(conn, GENERATION)
    revisions.upsert(conn, schema.events, event_row(settings=settings or {}))
    revisions.upsert_many(conn, schema.gates, [gate_row(gate_id) for gate_id in GATES])
    add_people(conn, range(people))
    for device_id, gate_id in zip(DEVICES, GATES, strict=False):
        revisions.upsert(conn, schema.devices, device_row(device_id, gate_id))
        conn.execute(
            insert(schema.device_gates).values(
                device_id=device_id, gate_id=gate_id, since_ms=START_MS
            )
        )


def add_people(conn: Connection, numbers: range) -> None:
    revisions.upsert_many(conn, schema.participants, [participant_row(n) for n in numbers])
    revisions.upsert_many(conn, schema.credentials, [credential_row(n) for n in numbers])


def scan_entry(seq: int, person: int | None = None, **changes: Any) -> dict[str, Any]:
    """A sealed scan of a person's ticket at dev-north; `minute` after the start."""
    minute = changes.pop("minute", seq)
    entry: dict[str, Any] = {
        "type": "scan",
        "seq": seq,
        "scanId": f"scan-{seq}",
        "gateId": "north",
        "kind": "ticket",
        "digest": digest_of(seq if person is None else person),
        "method": "qr_scan",
        "direction": "entry",
        "occurredAt": format_time(START_MS + round(minute * MINUTE_MS)),
        "timeErrorMs": 0,
        "timeQuality": "synced",
        "bootId": "b",
        "bootMs": 1_000,
        "wallAt": format_time(START_MS),
        "decidedErrorMs": 0,
        "admitted": True,
        "reason": "ok",
        "processingMs": 12.5,
    } | changes
    return sealed({name: value for name, value in entry.items() if value is not None})


def resolution_entry(seq: int, scan_id: str, action: str, minute: int = 50) -> dict[str, Any]:
    return sealed(
        {
            "type": "resolution",
            "seq": seq,
            "scanId": scan_id,
            "action": action,
            "operatorId": "op-1",
            "at": format_time(START_MS + minute * MINUTE_MS),
            "text": "seen at the door",
        }
    )


def note_entry(seq: int) -> dict[str, Any]:
    return sealed({"type": "note", "seq": seq, "note": "wrong_pin"})


def sealed(entry: dict[str, Any]) -> dict[str, Any]:
    return entry | {"checksum": checksum(entry)}


def upload(
    database: Database,
    entries: list[dict[str, Any]],
    device_id: str = "dev-north",
    epoch: str = EPOCH,
    **rest: Any,
) -> Ingested:
    request = UploadRequest(device_id=device_id, epoch=epoch, entries=entries, **rest)
    return database.write_now(lambda conn: ingest(conn, device_id, request, NOW_MS))


def rows_of(database: Database, table: Any, *leave_out: str) -> list[tuple[Any, ...]]:
    """All rows, sorted, without the columns that depend on the order of arrival."""
    columns = [column for column in table.columns if column.name not in leave_out]
    found = database.read_now(lambda conn: conn.execute(select(*columns)).all())
    return sorted((tuple(row) for row in found), key=repr)


def merged_state(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """What must not depend on how the entries came (P3)."""
    return {
        "scans": rows_of(database, schema.scans, "row_id", "received_ms"),
        "presences": rows_of(database, schema.presences, "revision"),
        "counters": [row for row in rows_of(database, schema.counters) if row[-1] != 0],
        "tallies": [row for row in rows_of(database, schema.tallies) if row[-1] != 0],
        "headcounts": [row for row in rows_of(database, schema.headcounts) if any(row[2:])],
        "resolutions": rows_of(database, schema.resolutions),
    }
